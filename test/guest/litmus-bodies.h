// The bodies of litmus.c's tests at one width of access: included once with W the letter of the assembler and T the type, and
// once more. A body is what one thread does with each instance; NAME makes its name one of that width.

// ---- store buffering: each stores, and looks whether the other has
BODY(sb0, ST(x, 1); r[0] = LD(y);)
BODY(sb1, ST(y, 1); r[0] = LD(x);)
BODY(sb0_fence, ST(x, 1); FENCE; r[0] = LD(y);)
BODY(sb1_fence, ST(y, 1); FENCE; r[0] = LD(x);)
BODY(sb0_tso, ST(x, 1); FENCE_TSO; r[0] = LD(y);)
BODY(sb1_tso, ST(y, 1); FENCE_TSO; r[0] = LD(x);)
BODY(sb0_amo, SWAP(".aqrl", x, 1); r[0] = LD(y);)
BODY(sb1_amo, SWAP(".aqrl", y, 1); r[0] = LD(x);)
BODY(sb0_rcsc, SWAP(".rl", x, 1); r[0] = OR(".aq", y);)
BODY(sb1_rcsc, SWAP(".rl", y, 1); r[0] = OR(".aq", x);)
BODY(sb0_reserve, STORE_CONDITIONAL(".rl", x, 1); r[0] = RESERVE(".aq", y);)
BODY(sb1_reserve, STORE_CONDITIONAL(".rl", y, 1); r[0] = RESERVE(".aq", x);)

// ---- message passing: data, then a flag
BODY(mp0, ST(x, 1); ST(y, 1);)
BODY(mp1, r[0] = LD(y); r[1] = LD(x);)
BODY(mp0_fence, ST(x, 1); FENCE; ST(y, 1);)
BODY(mp1_fence, r[0] = LD(y); FENCE; r[1] = LD(x);)
BODY(mp0_tso, ST(x, 1); FENCE_TSO; ST(y, 1);)
BODY(mp1_tso, r[0] = LD(y); FENCE_TSO; r[1] = LD(x);)
BODY(mp0_amo, ST(x, 1); SWAP(".rl", y, 1);)
BODY(mp1_amo, r[0] = OR(".aq", y); r[1] = LD(x);)
BODY(mp0_reserve, ST(x, 1); STORE_CONDITIONAL(".rl", y, 1);)
BODY(mp1_reserve, r[0] = RESERVE(".aq", y); r[1] = LD(x);)
BODY(mp1_address, r[0] = LD(y); r[1] = LD(BEHIND(x, r[0]));)

// ---- load buffering: each loads what the other stores behind its load
BODY(lb0, r[0] = LD(x); ST(y, 1);)
BODY(lb1, r[0] = LD(y); ST(x, 1);)
BODY(lb0_fence, r[0] = LD(x); FENCE; ST(y, 1);)
BODY(lb1_fence, r[0] = LD(y); FENCE; ST(x, 1);)
BODY(lb0_tso, r[0] = LD(x); FENCE_TSO; ST(y, 1);)
BODY(lb1_tso, r[0] = LD(y); FENCE_TSO; ST(x, 1);)
BODY(lb0_reserve, r[0] = RESERVE(".aq", x); ST(y, 1);)
BODY(lb1_reserve, r[0] = RESERVE(".aq", y); ST(x, 1);)
BODY(lb0_data, r[0] = LD(x); ST(y, DEPENDENT(1, r[0]));)
BODY(lb1_data, r[0] = LD(y); ST(x, DEPENDENT(1, r[0]));)

// ---- two stores each, in opposite order
BODY(ww0, ST(x, 1); ST(y, 2);)
BODY(ww1, ST(y, 1); ST(x, 2);)
BODY(ww0_fence, ST(x, 1); FENCE; ST(y, 2);)
BODY(ww1_fence, ST(y, 1); FENCE; ST(x, 2);)
BODY(ww0_tso, ST(x, 1); FENCE_TSO; ST(y, 2);)
BODY(ww1_tso, ST(y, 1); FENCE_TSO; ST(x, 2);)
BODY(ww0_amo, ST(x, 1); SWAP(".rl", y, 2);)
BODY(ww1_amo, ST(y, 1); SWAP(".rl", x, 2);)

// ---- a store read, then a load (R), and a store behind what was read (S)
BODY(r1_fence, ST(y, 2); FENCE; r[0] = LD(x);)
BODY(s0_fence, ST(x, 2); FENCE; ST(y, 1);)
BODY(s1_fence, r[0] = LD(y); FENCE; ST(x, 1);)
BODY(s1_data, r[0] = LD(y); ST(x, DEPENDENT(1, r[0]));)

// ---- independent reads of independent writes, and a write that is passed on
BODY(set_x, ST(x, 1);)
BODY(set_y, ST(y, 1);)
BODY(xy, r[0] = LD(x); r[1] = LD(y);)
BODY(yx, r[0] = LD(y); r[1] = LD(x);)
BODY(xy_fence, r[0] = LD(x); FENCE; r[1] = LD(y);)
BODY(yx_fence, r[0] = LD(y); FENCE; r[1] = LD(x);)
BODY(xy_reserve, r[0] = RESERVE(".aq", x); r[1] = RESERVE(".aq", y);)
BODY(yx_reserve, r[0] = RESERVE(".aq", y); r[1] = RESERVE(".aq", x);)
BODY(xy_address, r[0] = LD(x); r[1] = LD(BEHIND(y, r[0]));)
BODY(yx_address, r[0] = LD(y); r[1] = LD(BEHIND(x, r[0]));)
BODY(pass, r[0] = LD(x); ST(y, DEPENDENT(r[0], r[0]));)

// ---- one place
BODY(twice, ST(x, 1); ST(x, 2);)
BODY(look, r[0] = LD(x); r[1] = LD(x);)
BODY(look_reserve, r[0] = LD(x); r[1] = RESERVE("", x);)
BODY(store_look, ST(x, 1); r[0] = LD(x); r[1] = LD(x);)
BODY(look_store, r[0] = LD(x); ST(x, 1);)
BODY(set_2, ST(x, 2);)
BODY(raise_by_4, r[0] = RESERVE("", x); r[1] = CONDITIONAL("", x, r[0] + 4);)
BODY(add_4, r[0] = ADD("", x, 4);)

// ---- all bytes of an access at once
BODY(set_ones, ST(x, 0x0101010101010101); ST(x, 0x7e7e7e7e7e7e7e7e); ST(x, -1);)
BODY(look_ones, r[0] = LD(x); r[1] = LD(x);)
