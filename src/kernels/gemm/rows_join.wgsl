//%% Joins the pieces of rows.wgsl (rows.c): a thread adds up the pieces of an output in their order. WIDTH sums a row
//%% and piece; OUTPUTS a row. PICK is generated.
const WG = ${WG}u;

${FUNCTIONS}

fn joined(row: u32, at: u32) -> f32 {
    var sum = load_parts(row * ${WIDTH}u + at);
    for (var piece = 1u; piece < ${PIECES}u; piece++) {
        sum += load_parts((piece * p.rows + row) * ${WIDTH}u + at);
    }
    return sum;
}

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let i = group_index(wid, nwg) * WG + lid;
    let row = i / ${OUTPUTS}u;
    let col = i % ${OUTPUTS}u;
    if (row >= p.rows) {
        return;
    }
    ${PICK}
}
