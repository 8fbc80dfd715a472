//%% A scan along an axis (kernels/scan/scan.h). A line has p.n elements, ${INNER} apart; LANES threads take a chunk of
//%% LANES * PER of them, lane k the PER elements behind those of lane k - 1. A workgroup has WG / LANES lines side by
//%% side. Where elements of a line are neighbours (INNER 1), so are lanes; else the lines of a workgroup are.
//%%
//%% MODE 0 scans each line that is one chunk. With STREAM a workgroup walks the chunks of its lines in order and
//%% carries the total on. MODE 1 stores the total of each chunk in `part`, by line and chunk. MODE 2 scans a chunk from
//%% what `part` has for it, which is the total of all chunks in front.
//%%
//%% REVERSE: chunks lie as they do otherwise, but chunks, lanes and a lane's elements count from the end. EXCLUSIVE: an
//%% element's own value counts for those behind it only. WIDE: x and y go by four. Elements outside a line are the
//%% identity, which changes nothing in front of a line or behind it.
//%%
//%% Lines beyond p.lines and workgroups beyond p.groups compute nothing. The caller guarantees that lines of a chunk
//%% count from 0 to p.chunks * LANES * PER, at least p.n.
//% if KIND == 1
const identity = ${T}(0);
fn join(a: ${T}, b: ${T}) -> ${T} {
    return a + b;
}
//% end
//% set STEP = 1
//% if INNER != "1u"
//% set STEP = WG / LANES
//% end
//% if LANES > 1

var<workgroup> totals: array<${T}, ${2 * WG}>;
//% end

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let group = group_index(wid, nwg);
    if (group >= p.groups) { return; }
//% if STEP == 1
    let lane = lid % ${LANES}u;
    let side = lid / ${LANES}u;
//% else
    let lane = lid / ${STEP}u;
    let side = lid % ${STEP}u;
//% end
//% if REVERSE
    let place = (${LANES - 1}u - lane) * ${PER}u;
//% else
    let place = lane * ${PER}u;
//% end
//% if STREAM
    let line = group * ${WG / LANES}u + side;
//% else
    let line = group / p.chunks * ${WG / LANES}u + side;
//% end
    let base = line / ${INNER} * (p.n * ${INNER}) + line % ${INNER};
    let end = select(0u, p.n, line < p.lines);
    var carry = identity;
//% if STREAM
    for (var turn = 0u; turn < p.chunks; turn++) {
//% if REVERSE
        let chunk = p.chunks - 1u - turn;
//% else
        let chunk = turn;
//% end
//% else
    {
        let chunk = group % p.chunks;
//% end
//% if MODE == 2
        if (line < p.lines) { carry = load_part(line * p.chunks + chunk); }
//% end
        let at = chunk * ${LANES * PER}u + place;
//% for j in 0..PER
        var v${j} = identity;
//% end
//% if WIDE
//% for j in 0..PER / 4
        if (at + ${4 * j}u < end) {
            let four = load4_x(base + at + ${4 * j}u);
            v${4 * j} = four.x;
            v${4 * j + 1} = four.y;
            v${4 * j + 2} = four.z;
            v${4 * j + 3} = four.w;
        }
//% end
//% else
//% for j in 0..PER
        if (at + ${j}u < end) { v${j} = load_x(base + (at + ${j}u) * ${INNER}); }
//% end
//% end
        var total = v${REVERSE * (PER - 1)};
//% for j in 1..PER
        total = join(total, v${j + REVERSE * (PER - 1 - 2 * j)});
//% end
//% set FROM = 0
//% if LANES > 1
        totals[lid] = total;
        workgroupBarrier(); // totals of lanes are written
//% set REACH = 1
//% for round in 0..8
//% if REACH < LANES
        // Each lane joins ${2 * REACH} lanes, itself the last; one half of the memory is read and the other written.
        if (lane >= ${REACH}u) { total = join(totals[lid + ${FROM * WG}u - ${REACH * STEP}u], total); }
        totals[lid + ${(1 - FROM) * WG}u] = total;
        workgroupBarrier(); // totals of ${2 * REACH} lanes are written, those of ${REACH} read
//% set FROM = 1 - FROM
//% end
//% set REACH = REACH * 2
//% end
//% end
//% if MODE == 1
        if (lane == ${LANES - 1}u && line < p.lines) { store_part(line * p.chunks + chunk, total); }
//% else
        var running = carry;
//% if LANES > 1
        if (lane > 0u) { running = join(carry, totals[lid + ${FROM * WG}u - ${STEP}u]); }
//% end
//% if STREAM
//% if LANES == 1
        carry = join(carry, total);
//% elif STEP == 1
        carry = join(carry, totals[side * ${LANES}u + ${FROM * WG + LANES - 1}u]);
//% else
        carry = join(carry, totals[side + ${FROM * WG + (LANES - 1) * STEP}u]);
//% end
//% end
//% for j in 0..PER
//% set E = j + REVERSE * (PER - 1 - 2 * j)
//% if EXCLUSIVE
        let own${j} = v${E};
        v${E} = running;
        running = join(running, own${j});
//% else
        running = join(running, v${E});
        v${E} = running;
//% end
//% end
//% if WIDE
//% for j in 0..PER / 4
        if (at + ${4 * j}u < end) {
            store4_y(base + at + ${4 * j}u, vec4<${T}>(v${4 * j}, v${4 * j + 1}, v${4 * j + 2}, v${4 * j + 3}));
        }
//% end
//% else
//% for j in 0..PER
        if (at + ${j}u < end) { store_y(base + (at + ${j}u) * ${INNER}, v${j}); }
//% end
//% end
//% if STREAM && LANES > 1
        workgroupBarrier(); // totals are read, the next chunk may write
//% end
//% end
    }
}
