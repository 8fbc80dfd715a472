//%% Joins the pieces of a split attention: y = sum_s exp(m_s - M) o_s / sum_s exp(m_s - M) l_s, M = max_s m_s, pieces
//%% in order.
//%%
//%% A workgroup makes one row (token, head) of the output: CL threads side by side over the vec4 columns, SL slices of
//%% the pieces that are added in order at the end. The number of pieces comes from the position on the device, as it
//%% did for the workgroups that wrote them.
//%%
//%% A piece whose sum is NaN makes the row NaN, and so do pieces without a sum of a row that sees keys: all of its
//%% scores are minus infinity then. A piece without a sum still counts, since 0 times its NaN is NaN.
//%%
//%% SLOTS > 0: rows of several sequences, as in attention.wgsl.
//%%
//%% ORDERED (plan/order.h): pieces of PIECE keys, joined one by one: each time the totals so far and the piece shrink
//%% to the greater of their maxima. The other kernels that join pieces do the same, to the bit.
//%%
//%% Values: WG, CL, SL (WG >= CL * SL, a power of two), MOST (pieces that there is memory for); DV, G, HKV, CAP, ENDS,
//%% WINDOW, SPLIT, POS, MOST_POS as in attention.wgsl.
//% set V4 = (DV + 3) / 4

const LOW = -3.4028234e38;

var<workgroup> high: array<f32, ${WG}>;
//% if ORDERED
var<workgroup> old: array<f32, ${WG}>;  // what the totals shrink by where a piece of a run of WG joins them
var<workgroup> own: array<f32, ${WG}>;  // what the piece shrinks by
var<workgroup> sums: array<f32, ${WG}>;

//% include "ops/attention_join.wgsl"
//% else
var<workgroup> share: array<f32, ${WG}>;    // exp(m - M) of a run of WG pieces
var<workgroup> share_l: array<f32, ${WG}>;   // the same times l
var<workgroup> slices: array<vec4<f32>, ${WG}>;
//% end

//% include "ops/attention_seen.wgsl"
//% if SLOTS
//% include "ops/sequence_of.wgsl"

fn tiles_of(tokens: u32) -> u32 { return tokens; } // a row is of one token
//% end

//% set X = "o"
//% set N = DV
//% set STORE = 0
//% include again "ops/quads.wgsl"
//% set X = "y"
//% set N = DV
//% set STORE = 1
//% include again "ops/quads.wgsl"

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let group = group_index(wid, nwg); // token * heads + head
    if (group >= p.groups) { return; }
//% if SLOTS
    let token = group / ${G * HKV}u;
    let mine = sequence_of(token);
    if (mine.slot == ${SLOTS}u) { // nobody's
        for (var c = lid; c < ${V4}u; c += ${WG}u) { store_y_vec(group * ${DV}u, c, vec4<f32>(0.0)); }
        return;
    }
    let pos = min(var_u32(${POS}u + mine.slot), ${MOST_POS}u);
    let at_pos = pos + (token - mine.first); // of this row
    let end = pos + mine.tokens;
//% else
    let pos = min(var_u32(${POS}u), ${MOST_POS}u);
    let at_pos = pos + group / ${G * HKV}u; // of this row
    let end = pos + p.tokens;
//% end
    let dropped = select(0u, end - ${CAP}u, end > ${CAP}u);
    let first = max(dropped, seen_from(pos));
    let sees = max(dropped, seen_from(at_pos)) <= seen_to(at_pos);
//% if ORDERED
    let pieces = min((end + ${PIECE - 1}u) / ${PIECE}u - first / ${PIECE}u, ${MOST}u);
//% else
    let pieces = min((end - first + ${SPLIT - 1}u) / ${SPLIT}u, ${MOST}u);
//% end
    let head = group % ${G * HKV}u;
    let row = head / ${G}u * p.rows + group / ${G * HKV}u * ${G}u + head % ${G}u;
    let stride = p.rows * ${HKV}u; // rows of a piece

//% if ORDERED
    for (var c0 = 0u; c0 < ${V4}u; c0 += ${CL}u) {
        let col = min(c0 + lid, ${V4 - 1}u);
        var o = vec4<f32>(0.0);
        var total = 0.0;
        var top = LOW;
        for (var s0 = 0u; s0 < pieces; s0 += ${WG}u) {
            let n = min(pieces - s0, ${WG}u);
            workgroupBarrier(); // the run before has been read
            if (lid < n) { high[lid] = load_ml(((s0 + lid) * stride + row) * 2u); }
            workgroupBarrier(); // high is written
            if (lid < n) {
                var before = top;
                for (var l = 0u; l < lid; l++) { before = max(before, high[l]); }
                let now = max(before, high[lid]);
                old[lid] = shrink_to(before, now);
                own[lid] = shrink_to(high[lid], now);
                sums[lid] = load_ml(((s0 + lid) * stride + row) * 2u + 1u);
            }
            workgroupBarrier(); // old, own and sums are written
            for (var l = 0u; l < n; l++) {
                top = max(top, high[l]);
                total = fma(sums[l], own[l], total * old[l]);
                if (lid < ${CL}u) {
                    o = fma(load_o_vec(((s0 + l) * stride + row) * ${DV}u, col), vec4<f32>(own[l]), o * old[l]);
                }
            }
        }
        if (lid < ${CL}u && c0 + lid < ${V4}u) {
            let lost = is_nan(total) || (total == 0.0 && sees);
            store_y_vec(group * ${DV}u, col,
                        select(o * select(0.0, 1.0 / total, total > 0.0), vec4<f32>(quiet_nan()), lost));
        }
    }
//% else
    var top = LOW;
    for (var s = lid; s < pieces; s += ${WG}u) { top = max(top, load_ml((s * stride + row) * 2u)); }
    high[lid] = top;
    workgroupBarrier();
    for (var l = 0u; l < min(pieces, ${WG}u); l++) { top = max(top, high[l]); }

    let slice = lid / ${CL}u;
    let lane = lid % ${CL}u;
    for (var c0 = 0u; c0 < ${V4}u; c0 += ${CL}u) {
        let col = min(c0 + lane, ${V4 - 1}u);
        var o = vec4<f32>(0.0);
        var total = 0.0;
        for (var s0 = 0u; s0 < pieces; s0 += ${WG}u) {
            workgroupBarrier(); // share and share_l of the run before have been read
            let s = s0 + lid;
            if (s < pieces) {
                let sum = load_ml((s * stride + row) * 2u + 1u);
                let e = select(0.0, exp(max(load_ml((s * stride + row) * 2u) - top, -80.0)), sum > 0.0);
                share[lid] = e;
                share_l[lid] = select(e * sum, quiet_nan(), is_nan(sum));
            }
            workgroupBarrier(); // share and share_l are written
            let n = min(pieces - s0, ${WG}u);
            for (var l = 0u; l < n; l++) { total += share_l[l]; }
            if (slice < ${SL}u) {
                for (var l = slice; l < n; l += ${SL}u) {
                    o += share[l] * load_o_vec(((s0 + l) * stride + row) * ${DV}u, col);
                }
            }
        }
//% if SL > 1
        slices[lid] = o;
        workgroupBarrier(); // slices are written; they are written again only after the next column's barriers
        if (slice == 0u) {
//% for l in 1..SL
            o += slices[lid + ${CL * l}u];
//% end
        }
//% end
        if (slice == 0u && c0 + lane < ${V4}u) {
            let lost = is_nan(total) || (total == 0.0 && sees);
            store_y_vec(group * ${DV}u, col,
                        select(o * select(0.0, 1.0 / total, total > 0.0), vec4<f32>(quiet_nan()), lost));
        }
    }
//% end
}
