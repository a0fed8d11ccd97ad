# A loop calls a function that lies on another page and is changed after each 20,000 calls, six times. Prints the sum of what
# the function answered, 420000: its n-th version answers n.
  .option norelax
  .globl _start
  .text
  .balign 4096
_start:
  lla a0, _start
  li a1, 0x3000
  li a2, 7              # read, write, execute
  li a7, 226            # mprotect
  ecall
  li s3, 6
  li s4, 0
generation:
  li s0, 20000
loop:
  jal ra, changed
  add s4, s4, a0
  addi s0, s0, -1
  bnez s0, loop
  lla t0, changed
  lw t1, 0(t0)
  li t2, 1 << 20        # one more in its immediate
  add t1, t1, t2
  sw t1, 0(t0)
  fence.i
  addi s3, s3, -1
  bnez s3, generation

  lla a1, text + 20
  li t3, 10
digit:
  remu t4, s4, t3
  addi t4, t4, 48
  addi a1, a1, -1
  sb t4, 0(a1)
  divu s4, s4, t3
  bnez s4, digit
  lla a2, text + 21
  sub a2, a2, a1
  li a0, 1
  li a7, 64             # write
  ecall
  li a0, 0
  li a7, 93             # exit
  ecall

  .balign 4096
  .option norvc
# It calls another one, so that it is no small function, which would be part of the loop's region.
changed:
  addi a0, x0, 1
  mv s11, ra
  jal ra, another
  mv ra, s11
  ret
another:
  addi a0, a0, 0
  ret

  .balign 4096
text:
  .fill 20, 1, 32
  .byte 10
