"""The ledger: predictions joined with what came of them, and what that says of the model.

`packing` is how entries travel, `store` where they wait, `entry` what is known of one prediction
and what that amounts to. Joined rows are `pairs`; they are summed into a `scorecard` (classes) or
`residuals` (numbers), whole numbers that merge bit for bit, from which `metrics` are worked out.
`quality` follows a model's windows from their first prediction to their last label; `loops` tells
whether these labels are the model's own echo. `acts` counts what was done about predictions, and
`decisions` whether anybody acts on them. Outcomes of decisions that were drawn by lot are summed
into `trials`, from which `uplift` says whether acting on the model is better than what was done
before: a `verdict`. `skew` compares rows as they were served with what training makes of them.
All of it is summed by segment as well: `segments` says which are told apart, `coarse` what is kept
of each.
"""
