/// Whether what a program asks for fits a device, before anything is allocated.
///
/// Only engine/ includes this.
#ifndef WEFT_ENGINE_ROOM_H
#define WEFT_ENGINE_ROOM_H
#include "gpu/gpu.h"
#include "weft/program.h" // struct weft_memory_use

/// Bytes that are asked for, and those that there are: the least of `memory_limit` (0: none) and what the device says.
struct weft_room {
    uint64_t asked, limit; ///< limit 0: none is known
};
struct weft_room weft_room_for(weft_gpu *gpu, uint64_t memory_limit, const struct weft_memory_use *use);
bool weft_room_suffices(const struct weft_room *room);
#endif
