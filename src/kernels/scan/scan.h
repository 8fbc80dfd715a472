/// Scans: y[i] = x[0] o x[1] o ... o x[i] along an axis, of every line that the other axes make.
///
/// A chunk is a constant number of elements of a line: threads take runs of it, one behind the other, and join their
/// totals in a tree. So the order of all operations depends on the kernel's template values alone, never on the grid
/// and never on which workgroup ends first; no workgroup waits for another.
///
/// There are three regimes. Held: a line is one chunk, one step. Streamed: a workgroup walks the chunks of its lines
/// and carries the total along, one step; for lines of a few chunks, and for so many lines that they fill a device.
/// Split: three steps, the total of each chunk, a scan of these totals, and each chunk again from the total in front of
/// it; so one long line uses the whole device, for two reads and a write.
///
/// What `o` is, is the template value KIND: its type, its identity and `join(a, b)` stand at the top of scan.wgsl.
/// `join` is called with its operands in order, so that it need only be associative. A product, a maximum, a minimum,
/// or pairs (a, b) of a linear recurrence are another KIND there, another line of enum weft_scan_kind (ir/op.h) and
/// another row of an operator; grids, chunks and steps stay.
#ifndef WEFT_KERNELS_SCAN_SCAN_H
#define WEFT_KERNELS_SCAN_SCAN_H
#include "plan/lower.h"

struct weft_scan {
    weft_value x, y; ///< of one shape; floats (f32 is what they are joined in) to f32 or f16, i32 to i32, u32 to u32
    uint32_t axis;
    enum weft_scan_kind kind;
    bool exclusive; ///< y[i] leaves x[i] out; the first is the identity
    bool reverse;   ///< from the last element of a line to its first
};

/// Emits the steps of a scan, at most three; one more where y is f16, whose words two lines may share.
weft_status weft_scan_lower(struct weft_lower *l, const char *label, const struct weft_scan *scan);
#endif
