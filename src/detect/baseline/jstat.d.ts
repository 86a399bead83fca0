declare module 'jstat' {
  /** Regularised incomplete beta function I_x(a, b); `false` when x is outside [0, 1]. */
  const jstat: { ibeta(x: number, a: number, b: number): number | false };
  export = jstat;
}
