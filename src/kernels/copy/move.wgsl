//%% Moves p.count elements of x to y, UNIT of them a thread. MODE 0: of 32 bits. MODE 1: a word each, to a word of y
//%% that UNIT elements share; behind the last of all stand zeros. MODE 2: so, but y may start inside a word, of which a
//%% thread sets the elements that belong to y; RAW: those of x share words, too, and are taken as they are.
fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let t = group_index(wid, nwg) * ${WG}u + lid;
//% if MODE == 2
    let phase = phase_y();
    if (t * ${UNIT}u >= p.count + phase) { return; }
    let i = t * ${UNIT}u - phase; // wraps before the first element, and is not below the count then
    var bits = 0u;
    var mask = 0u;
//% for k in 0..UNIT
    if (i + ${k}u < p.count) {
//% if RAW
        bits |= bits_x(i + ${k}u) << ${k * 32 / UNIT}u;
//% else
        bits |= part_bits_y(load_x(i + ${k}u)) << ${k * 32 / UNIT}u;
//% end
        mask |= ${ONES}u << ${k * 32 / UNIT}u;
    }
//% end
    put_word_y(t, bits, mask);
//% else
    let i = t * ${UNIT}u;
    if (i >= p.count) { return; }
//% if MODE == 1
    var v = vec${UNIT}<${TYPE}>();
//% for k in 0..UNIT
    if (i + ${k}u < p.count) { v[${k}] = load_x(i + ${k}u); }
//% end
    store${UNIT}_y(i, v);
//% elif UNIT == 4
    store4_y(i, load4_x(i));
//% else
    store_y(i, load_x(i));
//% end
//% end
}
