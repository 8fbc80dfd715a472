//%% Which keys a position sees. Values: CAP, ENDS and WINDOW as in attention.wgsl.

// First key that position `i` sees through the window.
fn seen_from(i: u32) -> u32 {
//% if WINDOW > 0
    return select(0u, i - ${WINDOW - 1}u, i >= ${WINDOW - 1}u);
//% else
    return 0u;
//% end
}

// Newest key that position `i` sees.
fn seen_to(i: u32) -> u32 {
//% if ENDS
    return min(i, ${CAP - 1}u);
//% else
    return i;
//% end
}
