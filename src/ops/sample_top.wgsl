// The largest key of all segments and its index. Segments are in order: the lowest index stays.
fn top_of_segments() -> vec2<u32> {
    var top = vec2<u32>(0u);
    for (var s = 0u; s < ${SEGMENTS}u; s++) {
        let key = load_part(2u * s);
        if (key > top.x) { top = vec2<u32>(key, load_part(2u * s + 1u)); }
    }
    return top;
}
