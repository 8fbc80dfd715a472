//%% The value phase of a tile (attention.wgsl): adds weight times value of its keys, JU groups of four at a time.
//% for b in 0..(CPT + CB - 1) / CB
//% set C_END = b * CB + CB
//% if C_END > CPT
//% set C_END = CPT
//% end
    for (var j = 0u; j < ${KT / 4}u; j += ${JU}u) {
//% for u in 0..JU
        let at${u} = value_at[j + ${u}u];
//% for c in b * CB..C_END
//% if V4 % CL == 0 || c < CPT - 1
        let v${u}_${c}_x = load_v_vec(at${u}.x, out_col + ${CL * c}u);
        let v${u}_${c}_y = load_v_vec(at${u}.y, out_col + ${CL * c}u);
        let v${u}_${c}_z = load_v_vec(at${u}.z, out_col + ${CL * c}u);
        let v${u}_${c}_w = load_v_vec(at${u}.w, out_col + ${CL * c}u);
//% else
        // columns past the end are computed and not stored
        let col${u}_${c} = min(out_col + ${CL * c}u, ${V4 - 1}u);
        let v${u}_${c}_x = load_v_vec(at${u}.x, col${u}_${c});
        let v${u}_${c}_y = load_v_vec(at${u}.y, col${u}_${c});
        let v${u}_${c}_z = load_v_vec(at${u}.z, col${u}_${c});
        let v${u}_${c}_w = load_v_vec(at${u}.w, col${u}_${c});
//% end
//% end
//% end
//% for u in 0..JU
//% for r in 0..RV
        {
            let w = weight[(out_row + ${r}u) * ${KT / 4}u + j + ${u}u];
//% for c in b * CB..C_END
//% if ORDERED
            o${r}_${c} = fma(vec4<f32>(w.x), v${u}_${c}_x, o${r}_${c});
            o${r}_${c} = fma(vec4<f32>(w.y), v${u}_${c}_y, o${r}_${c});
            o${r}_${c} = fma(vec4<f32>(w.z), v${u}_${c}_z, o${r}_${c});
            o${r}_${c} = fma(vec4<f32>(w.w), v${u}_${c}_w, o${r}_${c});
//% else
            o${r}_${c} = o${r}_${c} + w.x * v${u}_${c}_x + w.y * v${u}_${c}_y + w.z * v${u}_${c}_z +
                     w.w * v${u}_${c}_w;
//% end
//% end
        }
//% end
//% end
    }
//% end
