//%% What the running totals of pieces joined one by one shrink by, where their maximum becomes `now` (plan/order.h):
//%% exactly 1 if it stays, so that a piece of which a row sees nothing leaves it as it is.
fn shrink_to(top: f32, now: f32) -> f32 { return select(exp(max(top - now, -80.0)), 1.0, top == now); }
