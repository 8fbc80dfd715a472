// Probability masses as integers, so that sums are exact in any order and thresholds are the same on every device.
// A kernel calls fill_masses(lid) and a barrier before mass().

var<workgroup> mass_entry: array<u32, 256>; // 2^-(j/256), units of 2^-31

fn root_of(bit: u32) -> u32 { // 2^-(2^bit/256), units of 2^-32
    switch (bit) {
        case 0u: { return 4283353945u; }
        case 1u: { return 4271771996u; }
        case 2u: { return 4248701965u; }
        case 3u: { return 4202935003u; }
        case 4u: { return 4112874773u; }
        case 5u: { return 3938502376u; }
        case 6u: { return 3611622603u; }
        default: { return 3037000500u; }
    }
}

fn fill_masses(lid: u32) {
    for (var j = lid; j < 256u; j += ${WG}u) {
        var t = 0x80000000u;
        for (var bit = 0u; bit < 8u; bit++) {
            if (((j >> bit) & 1u) == 1u) { t = mul32(t, root_of(bit)).y; }
        }
        mass_entry[j] = t;
    }
}

// 2^(-x / 2^24) in units of 2^-40; 0 from 40 octaves on.
fn mass(x: u32) -> vec2<u32> {
    let n = x >> 24u;
    if (n >= 40u) { return vec2<u32>(0u); }
    let entry = mass_entry[(x >> 16u) & 255u];
    let t = (x & 65535u) * 45426u; // times log(2), units of 2^-40
    let drop = (t - (((t >> 16u) * (t >> 16u)) >> 9u)) >> 16u; // 1 - exp(-t), units of 2^-24
    let m = entry - (((entry >> 16u) * drop) >> 8u) - (((entry & 65535u) * drop) >> 24u);
    if (n > 9u) { return vec2<u32>(m >> (n - 9u), 0u); }
    let up = 9u - n;
    return vec2<u32>(m << up, (m >> 1u) >> (31u - up));
}

// Mass for top-p.
fn mass_of(gap: f32) -> vec2<u32> { return mass(octaves(gap, sampling_f32(SCALE))); }

// Mass for the draw: at the temperature, nothing for what min-p drops.
fn mass_t_of(gap: f32) -> vec2<u32> {
    if (flag(USE_MIN_P) && octaves(gap, sampling_f32(SCALE)) > setting(MIN_P)) { return vec2<u32>(0u); }
    return mass(octaves(gap, sampling_f32(SCALE_T)));
}
