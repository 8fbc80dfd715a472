// The largest key of all segments of a row and its index. Segments are in order: the lowest index stays.
fn top_of_segments(row: u32) -> vec2<u32> {
    var top = vec2<u32>(0u);
    for (var s = 0u; s < ${SEGMENTS}u; s++) {
        let at = 2u * (row * ${SEGMENTS}u + s);
        let key = load_part(at);
        if (key > top.x) { top = vec2<u32>(key, load_part(at + 1u)); }
    }
    return top;
}
