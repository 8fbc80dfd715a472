//%% Attention in the flash manner: one pass over the keys with a running maximum and a running sum a row.
//%%
//%% A workgroup takes one key head and QT rows, a row being (token, query head of the group): row = token * G + g, so
//%% that keys and values are read once for the G query heads that share them. It walks over the keys that any of its
//%% rows sees, KT at a time, in four phases with a barrier between each two:
//%%   score   thread (key slot, lane): dot products of KPT keys with QT rows over every DL-th vec4 of the head
//%%   maximum thread (row, four keys): adds the lanes up, scales, caps, masks; maximum of its scores
//%%   weight  the same thread: exp(score - running maximum), its own part of the running sum
//%%   value   thread (row group, column): RV rows x CPT vec4 columns of the output, in registers
//%% SPLIT = 0: writes finished rows. SPLIT > 0: the workgroup takes SPLIT keys, counted from the first key that the run
//%% sees, and writes what it has with its maximum and sum; attention_merge.wgsl joins the pieces in order.
//%%
//%% Values: WG, QT, KT, DL, KPT, CU (vec4s a lane takes at once), CPT, CL, RV, RG, CB (columns at once), JU (groups of
//%% four keys at once), RL (threads a row), D, DV, G, HKV, CAP (positions that the states hold), ENDS (there is no row
//%% behind row CAP - 1), WRAP_K, WRAP_V (no states: position p lies in row p % CAP), WINDOW (0: none), SOFTCAP (0, 1),
//%% SPLIT (a multiple of KT), QSHARED (0: q is read again from its operand), POS (word of the position), MOST_POS (that
//%% a larger one counts as). KT = WG / DL * KPT = 4 * RL * JPT, QT = RV * RG, WG >= CL * RG, WG >= QT * RL.
//%%
//%% SLOTS > 0: the rows are those of so many sequences, whose numbers of tokens stand in the words from COUNT on and
//%% whose positions in those from POS on (BY_SLOT: 1 if k is a state by slot, 2 if v is, 3 both). Each sequence begins
//%% a tile, and so do the tokens behind the last one's, whose rows are 0.
//%%
//%% ORDERED (plan/order.h): what a row gives depends on positions of keys alone. Tiles of keys begin at multiples of
//%% KT, counted from position 0, and pieces at multiples of PIECE (of KT). With SPLIT a workgroup takes one piece,
//%% counted from the one in which the first key lies that the run sees; without it it joins pieces as
//%% attention_merge.wgsl does.
//%%
//%% Infinite scores and NaN are told by their bits, since neither comparisons nor maxima nor exp can be trusted with
//%% them. A row becomes NaN by its sum. Values of keys that a row does not see are not multiplied with a weight of 0,
//%% which would make NaN of an infinity: tiles that some row sees in part are computed again without them if they
//%% become NaN.
//% set D4 = (D + 3) / 4
//% set V4 = (DV + 3) / 4
//% set KS = WG / DL
//% set PART = QT * KT + 32 / DL
//% set JPT = KT / 4 / RL
//% if SLOTS
//% set FIRST = "first_row + "
//% set SEQ = "seq, "
//% set SEQ_ARG = "seq: u32, "
//% else
//% set FIRST = ""
//% set SEQ = ""
//% set SEQ_ARG = ""
//% end
//% if BY_SLOT % 2 == 1
//% set SEQ_K = "seq, "
//% else
//% set SEQ_K = ""
//% end
//% if BY_SLOT / 2 == 1
//% set SEQ_V = "seq, "
//% else
//% set SEQ_V = ""
//% end

const LOW = -3.4028234e38; // the maximum of no score, or of scores of minus infinity

//% if QSHARED
var<workgroup> tile_q: array<vec4<f32>, ${QT * D4}>;
//% end
var<workgroup> part: array<f32, ${DL * PART}>;       // scores by lane, row and key
var<workgroup> row_max: array<f32, ${QT * RL}>;      // maxima of the threads of a row; at the end their sums
var<workgroup> weight: array<vec4<f32>, ${QT * KT / 4}>;
var<workgroup> alpha: array<f32, ${QT}>;             // what the sums so far shrink by
var<workgroup> key_at: array<vec4<u32>, ${KT / 4}>;  // first element of each key of the tile
var<workgroup> value_at: array<vec4<u32>, ${KT / 4}>;
//% if ORDERED && SPLIT == 0
var<workgroup> piece_top: array<f32, ${QT}>;
//% end

//% include "ops/attention_seen.wgsl"
//% if SLOTS
//% include "ops/sequence_of.wgsl"

fn tiles_of(tokens: u32) -> u32 { return (tokens * ${G}u + ${QT - 1}u) / ${QT}u; }
//% end

//% set X = "q"
//% set N = D
//% set STORE = 0
//% include again "ops/quads.wgsl"
//% set X = "k"
//% set N = D
//% set STORE = 0
//% include again "ops/quads.wgsl"
//% set X = "v"
//% set N = DV
//% set STORE = 0
//% include again "ops/quads.wgsl"
//% set X = "y"
//% set N = DV
//% set STORE = 1
//% include again "ops/quads.wgsl"

fn load_query(row: u32, head: u32, d4: u32) -> vec4<f32> {
    return load_q_vec(((row / ${G}u) * ${G * HKV}u + head * ${G}u + row % ${G}u) * ${D}u, d4);
}

// Where four keys begin; past the last key the last one again, which counts for nothing there.
fn keys_at(${SEQ_ARG}key: u32, last: u32, head: u32) -> vec4<u32> {
    var key4 = min(vec4<u32>(key) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(last));
//% if WRAP_K
    key4 %= vec4<u32>(${CAP}u);
//% end
//% if SLOTS > 0 && BY_SLOT % 2 == 0
    key4 += vec4<u32>(seq * ${CAP}u);
//% end
    let row4 = vec4<u32>(row_k(${SEQ_K}key4.x), row_k(${SEQ_K}key4.y), row_k(${SEQ_K}key4.z),
                         row_k(${SEQ_K}key4.w));
    return row4 * ${HKV * D}u + head * ${D}u;
}

fn values_at(${SEQ_ARG}key: u32, last: u32, head: u32) -> vec4<u32> {
    var key4 = min(vec4<u32>(key) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(last));
//% if WRAP_V
    key4 %= vec4<u32>(${CAP}u);
//% end
//% if SLOTS > 0 && BY_SLOT / 2 == 0
    key4 += vec4<u32>(seq * ${CAP}u);
//% end
    let row4 = vec4<u32>(row_v(${SEQ_V}key4.x), row_v(${SEQ_V}key4.y), row_v(${SEQ_V}key4.z),
                         row_v(${SEQ_V}key4.w));
    return row4 * ${HKV * DV}u + head * ${DV}u;
}

//% if ORDERED
//% include "plan/ordered.wgsl"
//% include "ops/attention_join.wgsl"

fn dot_onto(sum: f32, a: vec4<f32>, b: vec4<f32>) -> f32 { return fma4(sum, a, b); }

// x, which no compiler sees to be a product.
fn opaque(x: vec4<f32>) -> vec4<f32> { return bitcast<vec4<f32>>(bitcast<vec4<u32>>(x) | vec4<u32>(p.zero)); }
//% else
// Left to right, so that each term is one fused multiply-add onto the sum.
fn dot_onto(sum: f32, a: vec4<f32>, b: vec4<f32>) -> f32 { return sum + a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; }
//% end

fn fold(a: vec4<f32>) -> f32 { return (a.x + a.y) + (a.z + a.w); }

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let group = group_index(wid, nwg);
    if (group >= p.groups) { return; }
//% if SPLIT
    let split = group % p.splits;
    let head = (group / p.splits) % ${HKV}u;
    let tile = group / p.splits / ${HKV}u;
//% else
    let head = group % ${HKV}u;
//% if SLOTS
    let tile = group / ${HKV}u;
//% else
    // the last rows see most keys: they come first
    let tile = p.groups / ${HKV}u - 1u - group / ${HKV}u;
//% end
//% end
//% if SLOTS
    let mine = sequence_of(tile);
    let seq = mine.slot;
    let tokens = mine.tokens;
    let row0 = (tile - mine.before) * ${QT}u;
    let first_row = mine.first * ${G}u;
    if (row0 >= tokens * ${G}u) { return; }
    if (seq == ${SLOTS}u) { // rows of nobody
//% if SPLIT == 0
        for (var e = lid; e < ${QT}u; e += ${WG}u) {
            let row = first_row + row0 + e;
            if (row0 + e < tokens * ${G}u) {
                let at = ((row / ${G}u) * ${G * HKV}u + head * ${G}u + row % ${G}u) * ${DV}u;
                for (var c = 0u; c < ${V4}u; c++) { store_y_vec(at, c, vec4<f32>(0.0)); }
            }
        }
//% end
        return;
    }
    let pos = min(var_u32(${POS}u + seq), ${MOST_POS}u);
    let end = pos + tokens;
    let last_row = tokens * ${G}u - 1u;
//% else
    let row0 = tile * ${QT}u;
    let pos = min(var_u32(${POS}u), ${MOST_POS}u);
    let end = pos + p.tokens;
    let last_row = p.rows - 1u;
//% end
    let dropped = select(0u, end - ${CAP}u, end > ${CAP}u); // keys before it are no longer in the states
    let newest = pos + min(row0 + ${QT - 1}u, last_row) / ${G}u; // position of this workgroup's last row
    let last = seen_to(newest); // newest key that a row of this workgroup sees
    // keys whole_from .. whole_to are seen by all of its rows
    let whole_from = max(dropped, seen_from(newest));
    let whole_to = seen_to(pos + row0 / ${G}u);
//% if ORDERED
    let seen_first = max(dropped, seen_from(pos + row0 / ${G}u)) / ${KT}u * ${KT}u;
//% if SPLIT
    let begin = (max(dropped, seen_from(pos)) / ${PIECE}u + split) * ${PIECE}u;
    if (begin >= end) { return; }
    let first = max(begin, seen_first);
    let stop = min(begin + ${PIECE}u, last + 1u);
//% else
    let first = seen_first;
    let stop = last + 1u;
//% end
//% elif SPLIT
    let first = max(dropped, seen_from(pos)) + split * ${SPLIT}u;
    if (first >= end) { return; }
    let stop = min(first + ${SPLIT}u, last + 1u);
//% else
    let first = max(dropped, seen_from(pos + row0 / ${G}u));
    let stop = last + 1u;
//% end

//% if QSHARED
    for (var e = lid; e < ${QT * D4}u; e += ${WG}u) {
        tile_q[e] = load_query(${FIRST}min(row0 + e / ${D4}u, last_row), head, e % ${D4}u);
    }
//% end
    for (var j = lid; j < ${KT / 4}u; j += ${WG}u) {
        key_at[j] = keys_at(${SEQ}first + j * 4u, last, head);
    }

    let lane = lid % ${DL}u;
    let slot = lid / ${DL}u;
    // the row phases: this thread's row and the position of its token
    let my_row = lid / ${RL}u;
    let my_part = lid % ${RL}u;
    let my_pos = pos + min(row0 + my_row, last_row) / ${G}u;
    let my_first = max(dropped, seen_from(my_pos));
    let my_last = seen_to(my_pos);
    var top = LOW;
    var sum = 0.0;
//% if SPLIT
    // the last workgroup finds keys that it was promised there are none of
//% if ORDERED
    var lost = split + 1u == p.splits && seen_to(end - 1u) >= begin + ${PIECE}u;
//% else
    var lost = split + 1u == p.splits && end - first > ${SPLIT}u;
//% end
//% else
    var lost = false;
//% end
    // the value phase: rows [out_row, out_row + RV), columns out_col + CL * c
    let out_row = lid / ${CL}u * ${RV}u;
    let out_col = lid % ${CL}u;
//% for r in 0..RV
//% for c in 0..CPT
    var o${r}_${c} = vec4<f32>(0.0);
//% end
//% end
//% if ORDERED && SPLIT == 0
    // of all pieces so far
//% for r in 0..RV
    var all_top${r} = LOW;
    var all_sum${r} = 0.0;
//% for c in 0..CPT
    var all${r}_${c} = vec4<f32>(0.0);
//% end
//% end
//% end
    workgroupBarrier(); // tile_q and key_at are written

    for (var key = first; key < stop; key += ${KT}u) {
        // Rows of memory are looked up here, so that nobody waits for them; the tables are free to be written later.
        var these_values = vec4<u32>(0u);
        var next_keys = vec4<u32>(0u);
        if (lid < ${KT / 4}u) {
            these_values = values_at(${SEQ}key + lid * 4u, last, head);
            next_keys = keys_at(${SEQ}key + ${KT}u + lid * 4u, last, head);
        }

        // ---- score ----
//% for j in 0..KPT
        let at${j} = key_at[(slot + ${KS * j}u) >> 2u][(slot + ${KS * j}u) & 3u];
//% for r in 0..QT
        var a${r}_${j} = 0.0;
//% end
//% end
        for (var c = lane; c < ${D4}u; c += ${DL * CU}u) {
//% for u in 0..CU
//% for j in 0..KPT
            let k${j}_${u} = load_k_vec(at${j}, c + ${DL * u}u);
//% end
//% end
//% for u in 0..CU
//% for r in 0..QT
            {
//% if QSHARED
                let q = tile_q[${r * D4 + DL * u}u + c];
//% else
                let q = load_query(${FIRST}min(row0 + ${r}u, last_row), head, c + ${DL * u}u);
//% end
//% for j in 0..KPT
                a${r}_${j} = dot_onto(a${r}_${j}, q, k${j}_${u});
//% end
            }
//% end
//% end
        }
//% for j in 0..KPT
//% for r in 0..QT
        part[lane * ${PART}u + ${r * KT + KS * j}u + slot] = a${r}_${j};
//% end
//% end
        workgroupBarrier(); // part is written; the value phase of the tile before is over

        // ---- maximum ----
//% for i in 0..JPT
        var s${i} = vec4<f32>(LOW);
        var live${i} = vec4<bool>(false); // seen, and not minus infinity
//% end
        if (my_row < ${QT}u) {
            var high = LOW;
//% for i in 0..JPT
            {
                let j = (my_part + ${RL * i}u) * 4u;
                let at = my_row * ${KT}u + j;
                var s = vec4<f32>(part[at], part[at + 1u], part[at + 2u], part[at + 3u]);
//% for l in 1..DL
                s += vec4<f32>(part[at + ${PART * l}u], part[at + ${PART * l + 1}u], part[at + ${PART * l + 2}u],
                               part[at + ${PART * l + 3}u]);
//% end
//% if ORDERED
                s = opaque(s * p.scale);
//% else
                s *= p.scale;
//% end
                let at_key = vec4<u32>(key + j) + vec4<u32>(0u, 1u, 2u, 3u);
                live${i} = (at_key >= vec4<u32>(my_first)) & (at_key <= vec4<u32>(my_last));
                let bits = bitcast<vec4<u32>>(s);
//% if SOFTCAP
                let bad = live${i} & is_nan4(s);
                s = tanh(clamp(s / p.softcap, vec4<f32>(-15.0), vec4<f32>(15.0))) * p.softcap;
//% if ORDERED
                s = opaque(s);
//% end
//% else
                live${i} &= bits != vec4<u32>(0xff800000u);
                let bad = live${i} & ((bits & vec4<u32>(0x7fffffffu)) >= vec4<u32>(0x7f800000u));
//% end
                lost |= any(bad);
                s${i} = select(vec4<f32>(LOW), s, live${i} & !bad);
                high = max(high, max(max(s${i}.x, s${i}.y), max(s${i}.z, s${i}.w)));
            }
//% end
            row_max[lid] = high;
        }
        workgroupBarrier(); // row_max is written, part and key_at have been read

        // ---- weight ----
        if (my_row < ${QT}u) {
            var now = top;
//% for l in 0..RL
            now = max(now, row_max[my_row * ${RL}u + ${l}u]);
//% end
//% if ORDERED
            let shrink = shrink_to(top, now);
//% else
            let shrink = exp(max(top - now, -80.0));
//% end
            top = now;
//% if !ORDERED
            sum *= shrink;
//% end
//% for i in 0..JPT
            {
                let e = exp(max(s${i} - vec4<f32>(now), vec4<f32>(-80.0)));
                let w = select(vec4<f32>(0.0), e, live${i});
//% if ORDERED && i == 0
                sum = fma(sum, shrink, fold(w));
//% else
                sum += fold(w);
//% end
                weight[my_row * ${KT / 4}u + my_part + ${RL * i}u] = w;
            }
//% end
            if (my_part == 0u) { alpha[my_row] = shrink; }
        }
        if (lid < ${KT / 4}u) {
            value_at[lid] = these_values;
            key_at[lid] = next_keys;
        }
        workgroupBarrier(); // weight, alpha, value_at and the next key_at are written, row_max has been read

        // ---- value ----
        if (lid < ${CL * RG}u) {
//% for r in 0..RV
            {
                let shrink = alpha[out_row + ${r}u];
//% for c in 0..CPT
                o${r}_${c} *= shrink;
//% end
            }
//% end
            let whole = key >= whole_from && key + ${KT - 1}u <= whole_to;
//% if RV * CPT <= 8
            // Few registers keep what a tile that is not whole may spoil, so that one loop does for both.
//% for r in 0..RV
//% for c in 0..CPT
            let before${r}_${c} = o${r}_${c};
//% end
//% end
//% include again "ops/attention_values.wgsl"
            if (!whole) {
//% else
            if (whole) {
//% include again "ops/attention_values.wgsl"
            } else {
                // Values that a row does not see have the weight 0, which makes NaN of infinite ones alone.
//% for r in 0..RV
//% for c in 0..CPT
                let before${r}_${c} = o${r}_${c};
//% end
//% end
//% include again "ops/attention_values.wgsl"
//% end
                var spoiled = false;
//% for r in 0..RV
//% for c in 0..CPT
                spoiled |= any(is_nan4(o${r}_${c}));
//% end
//% end
                if (spoiled) {
//% for r in 0..RV
//% for c in 0..CPT
                    o${r}_${c} = before${r}_${c};
//% end
//% end
//% for r in 0..RV
                    let pos${r} = pos + min(row0 + out_row + ${r}u, last_row) / ${G}u;
                    let from${r} = max(dropped, seen_from(pos${r}));
                    let to${r} = seen_to(pos${r});
//% end
                    for (var j = 0u; j < min(${KT}u, stop - key); j++) {
                        let at = value_at[j >> 2u][j & 3u];
//% for c in 0..CPT
                        let v_${c} = load_v_vec(at, min(out_col + ${CL * c}u, ${V4 - 1}u));
//% end
//% for r in 0..RV
                        if (key + j >= from${r} && key + j <= to${r}) {
                            let w = weight[(out_row + ${r}u) * ${KT / 4}u + (j >> 2u)][j & 3u];
//% for c in 0..CPT
//% if ORDERED
                            o${r}_${c} = fma(vec4<f32>(w), v_${c}, o${r}_${c});
//% else
                            o${r}_${c} = o${r}_${c} + w * v_${c};
//% end
//% end
                        }
//% end
                    }
                }
            }
        }
//% if ORDERED && SPLIT == 0

        // ---- end of a piece ----
        if ((key + ${KT}u) % ${PIECE}u == 0u || key + ${KT}u >= stop) {
            // The maximum was last read before the last barrier.
            if (my_row < ${QT}u) {
                row_max[lid] = select(sum, quiet_nan(), lost);
                if (my_part == 0u) { piece_top[my_row] = top; }
                top = LOW;
                sum = 0.0;
            }
            workgroupBarrier(); // row_max and piece_top are written
            if (lid < ${CL * RG}u) {
//% for r in 0..RV
                {
                    var total = 0.0;
//% for l in 0..RL
                    total += row_max[(out_row + ${r}u) * ${RL}u + ${l}u];
//% end
                    let high = piece_top[out_row + ${r}u];
                    let now = max(all_top${r}, high);
                    let old = shrink_to(all_top${r}, now);
                    let own = shrink_to(high, now);
                    all_top${r} = now;
                    all_sum${r} = fma(total, own, all_sum${r} * old);
//% for c in 0..CPT
                    all${r}_${c} = fma(o${r}_${c}, vec4<f32>(own), all${r}_${c} * old);
                    o${r}_${c} = vec4<f32>(0.0);
//% end
                }
//% end
            }
        }
//% end
    }

//% if !ORDERED || SPLIT
    // The maximum was last read before the last barrier of the loop.
    if (my_row < ${QT}u) { row_max[lid] = select(sum, quiet_nan(), lost); }
    workgroupBarrier();
//% end
//% if SPLIT
    let piece = (split * ${HKV}u + head) * p.rows;
    if (my_row < ${QT}u && my_part == 0u && row0 + my_row <= last_row) {
        var total = 0.0;
//% for l in 0..RL
        total += row_max[my_row * ${RL}u + ${l}u];
//% end
        store_ml((piece + ${FIRST}row0 + my_row) * 2u, top);
        store_ml((piece + ${FIRST}row0 + my_row) * 2u + 1u, total);
    }
//% end
    if (lid < ${CL * RG}u) {
//% for r in 0..RV
        if (row0 + out_row + ${r}u <= last_row) {
            let row = ${FIRST}row0 + out_row + ${r}u;
//% if SPLIT
            let at = (piece + row) * ${DV}u;
//% else
            let at = ((row / ${G}u) * ${G * HKV}u + head * ${G}u + row % ${G}u) * ${DV}u;
//% if ORDERED
            let total = all_sum${r};
//% else
            var total = 0.0;
//% for l in 0..RL
            total += row_max[(out_row + ${r}u) * ${RL}u + ${l}u];
//% end
//% end
            let share = select(0.0, 1.0 / total, total > 0.0); // a row that sees no key is 0
//% if SLOTS
            let at_pos = pos + (row0 + out_row + ${r}u) / ${G}u;
//% else
            let at_pos = pos + row / ${G}u;
//% end
            let spoiled = is_nan(total) || (total == 0.0 && max(dropped, seen_from(at_pos)) <= seen_to(at_pos));
//% end
//% for c in 0..CPT
//% if SPLIT
            let y_${c} = o${r}_${c};
//% else
//% if ORDERED
            let y_${c} = select(all${r}_${c} * share, vec4<f32>(quiet_nan()), spoiled);
//% else
            let y_${c} = select(o${r}_${c} * share, vec4<f32>(quiet_nan()), spoiled);
//% end
//% end
//% if V4 % CL == 0 || c < CPT - 1
            store_y_vec(at, out_col + ${CL * c}u, y_${c});
//% else
            if (out_col + ${CL * c}u < ${V4}u) { store_y_vec(at, out_col + ${CL * c}u, y_${c}); }
//% end
//% end
        }
//% end
    }
}
