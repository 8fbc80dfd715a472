//%% Where a tile of tokens belongs: SLOTS sequences have their tokens one behind the other, each begins a tile, and so
//%% do the tokens behind the last one's. Values: SLOTS, COUNT (word of slot 0's number of tokens). What includes it has
//%% p.tokens and tiles_of(n), the tiles of n tokens.
struct Sequence {
    slot: u32,   // SLOTS: of tokens that are nobody's
    first: u32,  // number of its first token
    tokens: u32,
    before: u32, // tiles of the slots in front
}

fn sequence_of(tile: u32) -> Sequence {
    var s = Sequence(0u, 0u, min(var_u32(${COUNT}u), p.tokens), 0u);
    while (s.slot < ${SLOTS}u && tile >= s.before + tiles_of(s.tokens)) {
        s.before += tiles_of(s.tokens);
        s.first += s.tokens;
        s.slot++;
        s.tokens = p.tokens - s.first;
        if (s.slot < ${SLOTS}u) { s.tokens = min(var_u32(${COUNT}u + s.slot), s.tokens); }
    }
    return s;
}
