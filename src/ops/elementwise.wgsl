// Scalar functions of elementwise.c whose meaning WGSL leaves open. They work on bits where a NaN decides, because
// compilers take `x != x` for false.

fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7FFFFFFFu) > 0x7F800000u;
}

// NaN if an operand is NaN.
fn max_nan(x: f32, y: f32) -> f32 {
    return select(select(max(x, y), y, is_nan(y)), x, is_nan(x));
}

fn min_nan(x: f32, y: f32) -> f32 {
    return select(select(min(x, y), y, is_nan(y)), x, is_nan(x));
}

// As powf of C: a negative base takes integral exponents, others give NaN; x^0 = 1; 0^y = 0 for y > 0.
fn pow_c(x: f32, y: f32) -> f32 {
    if (y == 0.0 || x == 1.0) {
        return 1.0;
    }
    if (x == 0.0 && y > 0.0) {
        return 0.0;
    }
    let magnitude = pow(abs(x), y);
    if (x >= 0.0) {
        return magnitude;
    }
    if (is_nan(x) || is_nan(y) || floor(y) != y) {
        return bitcast<f32>(bitcast<u32>(x) | 0x7FC00000u);
    }
    return select(magnitude, -magnitude, fract(y * 0.5) != 0.0);
}

// To nearest, ties to even; NaN stays.
fn round_bf16(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let rounded = (bits + 0x7FFFu + ((bits >> 16u) & 1u)) & 0xFFFF0000u;
    return bitcast<f32>(select(rounded, bits, is_nan(x)));
}

// x in type `to` (a number of weft_dtype), still as f32: integers truncate toward zero and saturate, NaN gives 0.
fn cast_to(x: f32, to: u32) -> f32 {
    let whole = select(trunc(x), 0.0, is_nan(x));
    switch to {
        case 1u: { return select(quantizeToF16(x), x, is_nan(x)); }
        case 2u: { return round_bf16(x); }
        case 3u: { return clamp(whole, -2147483648.0, 2147483648.0); }
        case 4u: { return clamp(whole, 0.0, 4294967296.0); }
        case 5u: { return clamp(whole, -128.0, 127.0); }
        case 6u: { return clamp(whole, 0.0, 255.0); }
        case 7u: { return select(1.0, 0.0, x == 0.0); }
        default: { return x; }
    }
}

// The same as integers: the conversion itself is only defined within the range.
fn to_i32(x: f32) -> i32 {
    let t = cast_to(x, 3u);
    return select(i32(min(t, 2147483520.0)), 2147483647, t >= 2147483648.0);
}

fn to_u32(x: f32) -> u32 {
    let t = cast_to(x, 4u);
    return select(u32(min(t, 4294967040.0)), 4294967295u, t >= 4294967296.0);
}

// `holds`, the result of a comparison of x and y, as 0 or 1: comparisons with a NaN are false.
fn ordered(x: f32, y: f32, holds: bool) -> f32 {
    return select(0.0, 1.0, holds && !is_nan(x) && !is_nan(y));
}

// x != y, true with a NaN.
fn differs(x: f32, y: f32) -> f32 {
    return select(0.0, 1.0, x != y || is_nan(x) || is_nan(y));
}

// A condition: everything but 0, NaN included.
fn is_true(x: f32) -> bool {
    return x != 0.0 || is_nan(x);
}
