//%% Columns c .. c + 3 of row `row` of operand x, c a multiple of 4; zeros behind the last row and the last column.
fn x_quad(row: u32, c: u32) -> vec4<f32> {
    if (row >= p.rows) {
        return vec4<f32>(0.0);
    }
//% if X_WIDE
    if (c >= p.k) {
        return vec4<f32>(0.0);
    }
    return load4_x(row * p.k + c);
//% else
    var v = vec4<f32>(0.0);
//% for i in 0..4
    if (c + ${i}u < p.k) {
        v[${i}] = load_x(row * p.k + c + ${i}u);
    }
//% end
    return v;
//% end
}
