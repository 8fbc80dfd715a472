//%% Products of some rows by packed weights (rows.c). A workgroup computes BM rows of a tile of columns, over the
//%% blocks of one piece of k. Threads are COLS columns times KS slices of k: block i of a piece is slice i % KS's. A
//%% thread decodes a block of each of its columns into registers, where it meets all rows. These are staged KS blocks
//%% at a time, in two buffers. Slices are added up at the end. SEGMENTS and PICK are generated.
const WG = ${WG}u;
var<workgroup> xs: array<vec4<f32>, ${XS}>; // two buffers of staged rows, then sums of slices

//% include "kernels/gemm/x_quad.wgsl"

// Vector i of the tile's rows from block `first` on, in the order of rows, then columns.
fn staged(m0: u32, first: u32, i: u32) -> vec4<f32> {
    return x_quad(m0 + i / ${KS * 8}u, first * 32u + i % ${KS * 8}u * 4u);
}

${SEGMENTS}

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let work = group_index(wid, nwg);
    let tile = work % ${TILES}u;
    let piece = work / ${TILES}u % ${PIECES}u;
    let m0 = work / ${TILES * PIECES}u * ${BM}u;
    if (m0 >= p.rows) {
        return;
    }
    ${PICK}
}
