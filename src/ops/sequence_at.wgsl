//%% The tokens of a slot: SLOTS sequences have theirs one behind the other, and slot SLOTS stands for those behind the
//%% last one's, which are nobody's. Values: SLOTS, COUNT (word of slot 0's number of tokens), ACTIVE (likewise of its
//%% activity; below 0: all are active). What includes it has p.tokens and tiles_of(n), the tiles of n tokens.
struct Sequence {
    first: u32,  // number of its first token
    tokens: u32, // of a slot whose activity is 0 too
    before: u32, // tiles of the slots in front
    runs: bool,  // false: its tokens leave no trace
}

fn sequence_at(slot: u32) -> Sequence {
    var s = Sequence(0u, 0u, 0u, slot < ${SLOTS}u);
    for (var i = 0u; i < min(slot, ${SLOTS}u); i++) {
        let n = min(var_u32(${COUNT}u + i), p.tokens - s.first);
        s.first += n;
        s.before += tiles_of(n);
    }
    s.tokens = p.tokens - s.first;
    if (s.runs) { s.tokens = min(var_u32(${COUNT}u + slot), s.tokens); }
//% if ACTIVE >= 0
    if (s.runs) { s.runs = var_u32(${ACTIVE}u + slot) != 0u; }
//% end
    return s;
}
