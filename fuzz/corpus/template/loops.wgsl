//% for a in 0..1000000000
//% for b in 0..1000000000
x
//% end
//% end
