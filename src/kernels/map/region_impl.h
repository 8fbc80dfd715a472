/// Shared by the files that lower regions: region.c (parts and steps), region_text.c (schedules as text), chunks.c
/// (rows in chunks).
#ifndef WEFT_KERNELS_MAP_REGION_IMPL_H
#define WEFT_KERNELS_MAP_REGION_IMPL_H
#include "kernels/map/region.h"
#include "kernels/map/schedule.h"

#define WEFT_REGION_PER_THREAD 4 ///< elements a thread of a flat part computes

/// A connected part of a group.
struct weft_region_part {
    uint32_t *nodes, n;
    uint32_t mask; ///< axes that it reduces, or that a row map looks along where it reduces; 0: none, it is flat
    struct weft_type whole, space; ///< of its values; the same, but for an empty axis that counts as one
    weft_dim rows, width;          ///< with a mask: product of the axes that are not reduced, and of those that are
    struct weft_map_shape shape;   ///< with a mask: their upper ends
};

/// What a step does of a part that reduces.
struct weft_region_walk {
    const struct weft_map_schedule *schedule;
    uint32_t n_nodes;
    weft_dim end;    ///< columns
    weft_dim chunks; ///< of a row; WEFT_DIM_NONE: rows are whole
    bool some_once;  ///< what is stored once a row is stored by the first chunk; else by each, which has its own
};

/// Parts stand side by side in the grid: part i has the workgroups up to end_i.
struct weft_region_cfg {
    struct weft_xdims dims;
    uint32_t n_parts, wg;
    struct {
        weft_dim rows, n;
        weft_dim chunks; ///< of a row, WEFT_DIM_NONE: one
        uint32_t each;   ///< rows of a workgroup; 0: flat
        bool has_once;   ///< by row: some of its values are one a row, and there without any column
        uint32_t more;   ///< flat: elements that a range which begins inside a word adds
    } part[WEFT_REGION_PARTS];
};

/// A step that is being written.
struct weft_region {
    struct weft_lower *l;
    uint32_t group;
    struct weft_step *s;
    struct weft_xstep step;
    struct weft_expr *programs; ///< one a part
    struct weft_region_cfg cfg;
    struct weft_str body;
    bool any_rows;
    bool keeps; ///< the step keeps its programs: each computes what a value of the graph is
};

/// Starts a step of so many parts, named by the last of its nodes; programs are in the plan's arena. False without
/// memory, and the lowering has failed.
bool weft_region_begin(struct weft_region *r, struct weft_lower *l, uint32_t group, const uint32_t *nodes, uint32_t n,
                       const char *what, uint32_t n_parts, uint32_t threads);
/// Completes the step, whose pointer is stale afterwards.
void weft_region_end(struct weft_region *r);
/// The text of part p, whose program is complete, with its share of the grid. `walk` NULL: flat.
void weft_region_write(struct weft_region *r, uint32_t p, const struct weft_region_walk *walk);
/// Body of a flat part, or of one that reduces. `first`: its first workgroup.
void weft_region_flat(struct weft_region *r, struct weft_xtext *t, const char *first);
void weft_region_rows(struct weft_region *r, struct weft_xtext *t, const struct weft_region_walk *walk,
                      const char *first);

/// Lowers a part in chunks, in steps of its own, where its shape asks for that. False: it did not.
bool weft_region_chunks(struct weft_lower *l, uint32_t group, const struct weft_region_part *part);
#endif
