"""Mathematics that two packages or more share.

Rooms: `special` (stable losses), `distributions` (the `Demand` union), `moments` (`Moments`),
`value_counts` (`ValueCounts`), `estimate`
(`Estimate`, the hub of every comparison), `likelihood` (maximum likelihood with its diagnosis), `glm` (batched Poisson
regression), `shrinkage` (empirical Bayes). The packages re-export what their users look for.
"""
