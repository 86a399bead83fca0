import jstat from 'jstat';

/**
 * P(X ≥ k) for a negative binomial with this mean and size (variance = mean + mean² / size). By the incomplete
 * beta function, which keeps its digits in the far tail: `1 − cdf` would be 0 or noise below 1e-16, and that is
 * where the findings are. Size → ∞ is Poisson.
 */
export function negativeBinomialTail(k: number, mean: number, size: number): number {
  if (k <= 0) return 1;
  if (mean <= 0) return 0;
  // ibeta gives `false` outside (0, 1); the ratio may round to 1 when the size is nothing beside the mean.
  const x = mean / (size + mean);
  if (x >= 1) return 1;
  return jstat.ibeta(x, k, size) || 0;
}
