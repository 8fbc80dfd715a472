//%% Few rows by a right side of any form (general.c): y[b, m, n] = sum over k of A(b, m, k) B(b, n, k), both read where
//%% they lie. KL lanes along k share R columns of MT rows, and WG / KL groups of them stand side by side. ACROSS:
//%% neighbouring threads have neighbouring columns, else neighbouring quads along k. CHUNK as in general.wgsl. The
//%% order of a sum depends on these values and on k alone.
//% set NL = WG / KL
//% set OWN = NL * R
//% set SUMS = R * MT
//% if ORDERED
//% include "plan/ordered.wgsl"
//% end
const WG = ${WG}u;
var<workgroup> parts: array<${T}, ${WG * SUMS}>;

${FUNCTIONS}

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let tile = group_index(wid, nwg);
    let across = (p.n + ${OWN - 1}u) / ${OWN}u;
    let down = (p.rows + ${MT - 1}u) / ${MT}u;
//% if CHUNK
    let piece = tile / (across * down) / p.batch;
    let batch = tile / (across * down) % p.batch;
    if (piece * ${CHUNK}u >= p.kb) {
        return;
    }
    let first = piece * ${CHUNK * 8}u;
    let last = min(first + ${CHUNK * 8}u, (p.k + 3u) / 4u);
//% else
    let piece = 0u;
    let batch = tile / (across * down);
    if (batch >= p.batch) {
        return;
    }
    let first = 0u;
    let last = (p.k + 3u) / 4u;
//% end
    let m0 = (tile / across) % down * ${MT}u;
    let n0 = (tile % across) * ${OWN}u;
    ${PLACES}
//% if ACROSS
    let kl = lid / ${NL}u;
    let nl = lid % ${NL}u;
//% else
    let kl = lid % ${KL}u;
    let nl = lid / ${KL}u;
//% end
//% for r in 0..R
//% for m in 0..MT
    var s${r}_${m} = ${T}(0);
//% end
//% end
    for (var q = first + kl; q < last; q += ${KL}u) {
//% for m in 0..MT
        let x${m} = a_quad(${AT_A}m0 + ${m}u, q * 4u);
//% end
//% for r in 0..R
        let w${r} = b_quad(${AT_B}n0 + nl + ${r * NL}u, q * 4u);
//% for m in 0..MT
//% if ORDERED && T == "f32"
        s${r}_${m} = fma4(s${r}_${m}, x${m}, w${r});
//% else
        s${r}_${m} += dot(x${m}, w${r});
//% end
//% end
//% end
    }
//% for r in 0..R
//% for m in 0..MT
    parts[${(r * MT + m) * WG}u + lid] = s${r}_${m};
//% end
//% end
//% if KL > 1
//% set STEP = NL
//% if !ACROSS
//% set STEP = 1
//% end
    for (var step = ${KL / 2}u; step > 0u; step = step / 2u) {
        workgroupBarrier(); // what lanes of the upper half found is there
        if (kl < step) {
//% for i in 0..SUMS
            parts[${i * WG}u + lid] += parts[${i * WG}u + lid + step * ${STEP}u];
//% end
        }
    }
//% end
    workgroupBarrier(); // sums are whole
    for (var o = lid; o < ${OWN * MT}u; o += WG) {
        let row = m0 + o / ${OWN}u;
        let own = o % ${OWN}u;
        if (row < p.rows && n0 + own < p.n) {
//% if ACROSS
            let lane = own % ${NL}u;
//% else
            let lane = (own % ${NL}u) * ${KL}u;
//% end
            result(piece, batch, row, n0 + own, parts[((own / ${NL}u) * ${MT}u + o / ${OWN}u) * WG + lane]);
        }
    }
}
