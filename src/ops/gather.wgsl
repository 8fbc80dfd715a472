//%% A thread makes one piece of a row of y: 32 columns of a packed table (PACKED = 1), else 4. ITEMS pieces make a row
//%% of K columns (texts: constants, or parameters where the width is live); p.count are made. QUADS: K is a constant
//%% multiple of 4, BLOCKS of 32. VAR >= 0: the one id is the variable of this word. SIGNED: ids are i32. Rows
//%% outside [p.first, p.last) belong to the step of another part of the table.
//% if PACKED
//% include "plan/dequant.wgsl"
//% end

//% include "ops/table_row.wgsl"

fn store_vec(at: u32, column: u32, v: vec4<f32>) {
//% if QUADS
    store4_y(at + column, v * p.scale);
//% else
    let left = ${K} - min(column, ${K});
    if (left > 0u) { store_y(at + column, v.x * p.scale); }
    if (left > 1u) { store_y(at + column + 1u, v.y * p.scale); }
    if (left > 2u) { store_y(at + column + 2u, v.z * p.scale); }
    if (left > 3u) { store_y(at + column + 3u, v.w * p.scale); }
//% end
}

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let i = group_index(wid, nwg) * ${WG}u + lid;
    if (i >= p.count) { return; }
    let row = table_row(i / ${ITEMS});
    if (row < p.first || row >= p.last) { return; }
    let piece = i % ${ITEMS};
    let at = i / ${ITEMS} * ${K};
//% if PACKED
    let v = w_load_w(row - p.first, piece);
//% for j in 0..8
//% if BLOCKS
    store_vec(at, piece * 32u + ${4 * j}u, v[${j}]);
//% else
    if (piece * 32u + ${4 * j}u < ${K}) { store_vec(at, piece * 32u + ${4 * j}u, v[${j}]); }
//% end
//% end
//% elif QUADS
    store_vec(at, piece * 4u, load4_w(row * ${K} + piece * 4u));
//% else
    let start = row * ${K} + piece * 4u;
    let left = ${K} - piece * 4u;
    var v = vec4<f32>(load_w(start), 0.0, 0.0, 0.0);
    if (left > 1u) { v.y = load_w(start + 1u); }
    if (left > 2u) { v.z = load_w(start + 2u); }
    if (left > 3u) { v.w = load_w(start + 3u); }
    store_vec(at, piece * 4u, v);
//% end
}
