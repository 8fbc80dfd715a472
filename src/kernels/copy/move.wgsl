//%% Moves p.count elements of x to y, UNIT of them a thread. MODE 0: of 32 bits. MODE 1: x is rounded to 16 bits; the
//%% last of a word may be alone. MODE 2: y has 16-bit elements and may start inside a word, of which a thread sets one
//%% half or both; RAW: x has too, and its bits are taken as they are.
fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let t = group_index(wid, nwg) * ${WG}u + lid;
//% if MODE == 2
    let odd = phase_y();
    if (t * 2u >= p.count + odd) { return; }
    let i = t * 2u - odd; // wraps before the first element, and is not below the count then
    var bits = 0u;
    var mask = 0u;
    if (i < p.count) {
//% if RAW
        bits = bits_x(i);
//% else
        bits = half_bits_y(load_x(i));
//% end
        mask = 0xffffu;
    }
    if (i + 1u < p.count) {
//% if RAW
        bits |= bits_x(i + 1u) << 16u;
//% else
        bits |= half_bits_y(load_x(i + 1u)) << 16u;
//% end
        mask |= 0xffff0000u;
    }
    put_word_y(t, bits, mask);
//% else
    let i = t * ${UNIT}u;
    if (i >= p.count) { return; }
//% if MODE == 1
    var second = 0.0;
    if (i + 1u < p.count) { second = load_x(i + 1u); }
    store2_y(i, vec2<f32>(load_x(i), second));
//% elif UNIT == 4
    store4_y(i, load4_x(i));
//% else
    store_y(i, load_x(i));
//% end
//% end
}
