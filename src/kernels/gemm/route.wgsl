//%% Rows sorted by the matrix that they choose (experts.c), p.block of them at a time. A workgroup takes one matrix
//%% and one block: it counts the rows that choose one in front of it, which is where its own begin in `order`, then
//%% lists these as they stand. `tiles` gets a triple for each tile of BM rows: matrix, first place in `order`, rows
//%% (0: none). Of the p.slots tiles of a block, those of matrix e begin at number first / BM + e, where `first`
//%% counts from the block: that leaves room for those in front of it, whatever rows they have, so that no workgroup
//%% waits for another; numbers in between, and behind the last, have no rows.
var<workgroup> sums: array<vec2<u32>, ${WG}>;

${FUNCTIONS}

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let group = group_index(wid, nwg);
    let own = group % p.experts;
    let block = group / p.experts;
    let base = block * p.block;
    if (base >= p.rows) { return; }
    let n = min(p.block, p.rows - base);
    let each = (n + ${WG - 1}u) / ${WG}u;
    let begin = base + min(lid * each, n);
    let end = min(begin + each, base + n);
    var mine = vec2<u32>(0u, 0u);
    for (var i = begin; i < end; i++) {
        let id = chosen(i);
        mine += vec2<u32>(select(0u, 1u, id < own), select(0u, 1u, id == own));
    }
    sums[lid] = mine;
    for (var step = 1u; step < ${WG}u; step *= 2u) {
        workgroupBarrier(); // all sums of `step` threads are there
        var other = vec2<u32>(0u, 0u);
        if (lid >= step) { other = sums[lid - step]; }
        workgroupBarrier(); // all have read
        sums[lid] += other;
    }
    workgroupBarrier(); // sums are whole
    let first = sums[${WG - 1}u].x;
    let count = sums[${WG - 1}u].y;
    var at = base + first + sums[lid].y - mine.y;
    for (var i = begin; i < end; i++) {
        if (chosen(i) == own) {
            store_order(at, i);
            at++;
        }
    }
    let tile0 = first / ${BM}u + own;
    let tile1 = select((first + count) / ${BM}u + own + 1u, p.slots, own == p.experts - 1u);
    for (var tile = tile0 + lid; tile < tile1; tile += ${WG}u) {
        let done = min((tile - tile0) * ${BM}u, count);
        let to = (block * p.slots + tile) * 3u;
        store_tiles(to, own);
        store_tiles(to + 1u, base + first + done);
        store_tiles(to + 2u, min(count - done, ${BM}u));
    }
}
