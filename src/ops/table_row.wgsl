//%% Which row of a table an id names. VAR >= 0: the one id is the variable of this word; else it is load_ids(n).
//%% SIGNED: ids are i32. p.rows is the number of rows.

// The row that id `n` names: negative ones count from the end, the rest is clamped.
fn table_row(n: u32) -> u32 {
//% if VAR >= 0
    let id = var_u32(${VAR}u);
//% elif SIGNED
    let id = bitcast<u32>(load_ids(n));
//% else
    let id = load_ids(n);
//% end
//% if SIGNED
    if (id >= 0x80000000u) { return select(0u, id + p.rows, id + p.rows < p.rows); }
//% end
    return min(id, p.rows - 1u);
}
