// What the sampler's kernels share: whose a row is, order, distances below the maximum, 64-bit sums as vec2<u32>(low,
// high). The host's copy is in ops/sample_host.c.
//
// Of one sequence there is one row at most, the last of p.rows. Of SLOTS sequences each row has its own workgroups and
// its own part of each scratch tensor, and operand row_slot says whose it is.

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

// Regions of a row's part of `narrow`, in words.
const N_WORDS = 1600u;
const N_SEGMENT = 0u;   // candidates of each segment, up to 32
const N_TOP = 32u;      // largest key
const N_GREEDY = 33u;   // its index
const N_RANDOM = 34u;   // the draw, low and high
const N_RUNNING = 64u;  // three times 256 x (low, high), totals up to and with a bin: of elements; of mass; of mass at
                        // the temperature, without what min-p drops
const BY_COUNT = 0u;    // which of the three
const BY_MASS = 1u;
const BY_MASS_T = 2u;

// Row of the scratch tensors that a workgroup works on, of `each` workgroups a row.
fn row_of(group: u32, each: u32) -> u32 {
//% if SLOTS
    return group / each;
//% else
    return 0u;
//% end
}

// What owner() gives where a row leaves no trace.
const NOBODY = 0xffffffffu;

//% if SLOTS
var<workgroup> owned_by: atomic<u32>;
var<private> mine: u32; // slot of the row
//% else
var<workgroup> owned_by: u32;
const mine = 0u;
//% end

// The flags of the sequence whose row this is, above them its slot; or NOBODY. The whole workgroup knows it, so that it
// may leave or stay together. Of several rows of a slot the last one counts.
fn owner(row: u32, lid: u32) -> u32 {
//% if SLOTS
    let slot = load_row_slot(row);
    let within = min(slot, ${SLOTS - 1}u);
    if (lid == 0u) {
        let runs = is_active() && slot == within && var_u32(${ACTIVE}u + within) != 0u;
        let flags = load_sampling(within * ${SETTINGS}u + FLAGS) & 15u;
        atomicStore(&owned_by, select(NOBODY, (within << 4u) | flags, runs));
    }
    workgroupBarrier(); // what the row says by itself
    for (var later = row + 1u + lid; later < p.rows; later += ${WG}u) {
        if (load_row_slot(later) == slot) { atomicStore(&owned_by, NOBODY); }
    }
    mine = within;
//% else
    if (lid == 0u) { owned_by = select(NOBODY, load_sampling(FLAGS) & 15u, is_active()); }
//% end
    return workgroupUniformLoad(&owned_by);
}

fn setting(word: u32) -> u32 { return load_sampling(mine * ${SETTINGS}u + word); }

fn flag(f: u32) -> bool { return (setting(FLAGS) & f) != 0u; }

fn sampling_f32(word: u32) -> f32 { return bitcast<f32>(setting(word)); }

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
    let w = mul64(mass, vec2<u32>(0u, setting(TOP_P)));
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
