// Names of the control and status registers, as the assembler writes them. What exists for a guest is not said here.

/** Runs of neighbours: the number of the first, then the names; `a3..5` is `a3 a4 a5`. */
const runs = `
001 fflags frm fcsr; 008 vstart vxsat vxrm; 00f vcsr; 011 ssp; 015 seed; 017 jvt
c00 cycle time instret hpmcounter3..31 vl vtype vlenb; c80 cycleh timeh instreth hpmcounter3..31h; 100 sstatus
104 sie stvec scounteren; 10a senvcfg; 10c sstateen0..3; 114 sieh; 140 sscratch sepc scause stval sip
14d stimecmp sctrctl sctrstatus siselect sireg sireg2 sireg3 siph sireg4 sireg5 sireg6; 15c stopei stimecmph
15f sctrdepth; 180 satp; 5a8 scontext; da0 scountovf; db0 stopi; 200 vsstatus; 204 vsie vstvec; 214 vsieh
240 vsscratch vsepc vscause vstval vsip; 24d vstimecmp vsctrctl
250 vsiselect vsireg vsireg2 vsireg3 vsiph vsireg4 vsireg5 vsireg6; 25c vstopei vstimecmph; 280 vsatp; 600 hstatus
602 hedeleg hideleg hie htimedelta hcounteren hgeie hvien hvictl henvcfg; 60c hstateen0..3; 613 hidelegh
615 htimedeltah; 618 hvienh; 61a henvcfgh; 61c hstateen0..3h; 643 htval hip hvip hviprio1 hviprio2; 64a htinst
655 hviph hviprio1h hviprio2h; 680 hgatp; 6a8 hcontext; e12 hgeip; eb0 vstopi
300 mstatus misa medeleg mideleg mie mtvec mcounteren; 308 mvien mvip menvcfg; 30c mstateen0..3 mstatush
313 midelegh mieh; 318 mvienh mviph menvcfgh
31c mstateen0..3h mcountinhibit mcyclecfg minstretcfg mhpmevent3..31 mscratch mepc mcause mtval mip
34a mtinst mtval2; 34e mctrctl; 350 miselect mireg mireg2 mireg3 miph mireg4 mireg5 mireg6; 35c mtopei
3a0 pmpcfg0..15 pmpaddr0..63; 721 mcyclecfgh minstretcfgh mhpmevent3..31h mnscratch mnepc mncause; 744 mnstatus
747 mseccfg; 757 mseccfgh; 7a0 tselect tdata1 tdata2 tdata3 tinfo tcontrol; 7a8 mcontext; 7aa mscontext
7b0 dcsr dpc dscratch0 dscratch1; b00 mcycle; b02 minstret mhpmcounter3..31; b80 mcycleh
b82 minstreth mhpmcounter3..31h; f11 mvendorid marchid mimpid mhartid mconfigptr; fb0 mtopi`;

const readNames = (): Map<number, string> => {
  const names = new Map<number, string>();
  for (const run of runs.split(/[;\n]/)) {
    const [first = "", ...words] = run.trim().split(" ");
    let n = Number.parseInt(first, 16);
    for (const word of words) {
      const [, stem = "", low = "", high = low, tail = ""] = /^(\D+)(\d+)\.\.(\d+)(h?)$/.exec(word) ?? [];
      if (!stem) names.set(n++, word);
      else for (let i = Number(low); i <= Number(high); i++) names.set(n++, stem + i + tail);
    }
  }
  return names;
};

let names: Map<number, string> | undefined;

/** The name of a register by its 12-bit number, or the number in hexadecimal. */
export const csrName = (n: number): string => (names ??= readNames()).get(n) ?? `0x${n.toString(16)}`;
