//%% Moves p.count elements of x to y. 32-bit elements move as words. HALF: y has 16-bit elements and a thread owns a
//%% word of it, of which it sets one half or both; FROM_HALF: x has too, and its bits are taken as they are.
fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let t = group_index(wid, nwg) * ${WG}u + lid;
//% if HALF
    let odd = phase_y();
    if (t * 2u >= p.count + odd) { return; }
    let i = t * 2u - odd; // wraps before the first element, and is not below the count then
    var bits = 0u;
    var mask = 0u;
    if (i < p.count) {
//% if FROM_HALF
        bits = bits_x(i);
//% else
        bits = half_bits_y(load_x(i));
//% end
        mask = 0xffffu;
    }
    if (i + 1u < p.count) {
//% if FROM_HALF
        bits |= bits_x(i + 1u) << 16u;
//% else
        bits |= half_bits_y(load_x(i + 1u)) << 16u;
//% end
        mask |= 0xffff0000u;
    }
    put_word_y(t, bits, mask);
//% else
    if (t < p.count) { store_y(t, load_x(t)); }
//% end
}
