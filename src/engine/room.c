#include "engine/room.h"

struct weft_room weft_room_for(weft_gpu *gpu, uint64_t memory_limit, const struct weft_memory_use *use) {
    uint64_t device = weft_gpu_caps(gpu)->memory;
    return (struct weft_room){
        .asked = use->weights + use->states + use->pages + use->transients + use->params + use->io + use->staging,
        .limit = !memory_limit || (device && device < memory_limit) ? device : memory_limit,
    };
}

bool weft_room_suffices(const struct weft_room *room) { return !room->limit || room->asked <= room->limit; }
