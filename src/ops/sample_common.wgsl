// What the sampler's kernels share: order, distances below the maximum, 64-bit sums as vec2<u32>(low, high).
// The host's copy is in ops/sample_host.c.

//% include "ops/order_key.wgsl"

// Words of `sampling` and their flags (ops/sample.h).
const FLAGS = 0u;
const TOP_K = 1u;
const TOP_P = 2u;
const MIN_P = 3u;
const REPETITION = 4u;
const INVERSE = 5u;
const FREQUENCY = 6u;
const PRESENCE = 7u;
const SCALE = 8u;
const SCALE_T = 9u;
const SEED = 10u;
const WINDOW = 12u;
const DRAW = 1u;
const USE_TOP_P = 2u;
const USE_MIN_P = 4u;
const PENALISE = 8u;

// Regions of `narrow`, in words.
const N_SEGMENT = 0u;   // candidates of each segment, up to 32
const N_TOP = 32u;      // largest key
const N_GREEDY = 33u;   // its index
const N_RANDOM = 34u;   // the draw, low and high
const N_RUNNING = 64u;  // three times 256 x (low, high), totals up to and with a bin: of elements; of mass; of mass at
                        // the temperature, without what min-p drops
const BY_COUNT = 0u;    // which of the three
const BY_MASS = 1u;
const BY_MASS_T = 2u;

fn flag(f: u32) -> bool { return (load_sampling(FLAGS) & f) != 0u; }

fn sampling_f32(word: u32) -> f32 { return bitcast<f32>(load_sampling(word)); }

fn add64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2<u32>(low, a.y + b.y + select(0u, 1u, low < a.x));
}

fn sub64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return vec2<u32>(a.x - b.x, a.y - b.y - select(0u, 1u, a.x < b.x));
}

fn less64(a: vec2<u32>, b: vec2<u32>) -> bool { return a.y < b.y || (a.y == b.y && a.x < b.x); }

fn mul32(a: u32, b: u32) -> vec2<u32> {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let x = (a >> 16u) * (b & 0xffffu);
    let y = (a & 0xffffu) * (b >> 16u);
    let mid = (low >> 16u) + (x & 0xffffu) + (y & 0xffffu);
    return vec2<u32>((mid << 16u) | (low & 0xffffu), (a >> 16u) * (b >> 16u) + (x >> 16u) + (y >> 16u) + (mid >> 16u));
}

// a * b in 128 bits: low 64 in xy, high 64 in zw.
fn mul64(a: vec2<u32>, b: vec2<u32>) -> vec4<u32> {
    let low = mul32(a.x, b.x);
    let high = mul32(a.y, b.y);
    let one = add64(mul32(a.y, b.x), vec2<u32>(low.y, 0u)); // below 2^64: (2^32 - 1)^2 + 2^32 - 1
    let two = add64(mul32(a.x, b.y), vec2<u32>(one.x, 0u));
    let top = add64(high, add64(vec2<u32>(one.y, 0u), vec2<u32>(two.y, 0u)));
    return vec4<u32>(low.x, two.x, top.x, top.y);
}

// The mass that a position must exceed for it to lie behind the share TOP_P of `mass`: the share, rounded up, less one.
fn share_of(mass: vec2<u32>) -> vec2<u32> {
    let w = mul64(mass, vec2<u32>(0u, load_sampling(TOP_P)));
    let exact = (w.x | w.y) == 0u && (w.z | w.w) != 0u;
    return select(w.zw, sub64(w.zw, vec2<u32>(1u, 0u)), vec2<bool>(exact));
}

// Key of a logit with infinities made finite, so that differences are; 0 for NaN.
fn logit_key(v: f32) -> u32 {
    let key = order_key(v);
    return select(clamp(key, 0x00800000u, 0xff7fffffu), 0u, key == 0u);
}

// Half the distance below the largest logit: halves, because the whole might overflow.
fn half_gap(top: u32, key: u32) -> f32 { return min(0.5 * key_value(top) - 0.5 * key_value(key), 1.0e25); }

fn octaves(gap: f32, scale: f32) -> u32 { return u32(min(gap * scale, 4.0e9)); }

// Bins grow with the distance: 16 for each doubling of (distance + 1). A bin holds a run of the descending order.
fn bin_of(gap: f32) -> u32 { return min((bitcast<u32>(gap + 0.5) - 0x3f000000u) >> 19u, 255u); }
