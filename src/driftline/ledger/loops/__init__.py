"""Feedback loops: whether a model's own actions shape the labels that it is judged by.

A loop looks like improvement: labels that follow predictions lie near them. `window` is what a
mature window of predictions brings. Five signals read it, the strongest first: `lineage` (labels
whose decision followed the prediction), `holdout` (rows that nobody saw a prediction of), `spread`
(labels and errors draw together where inputs do not), `foretell` (predictions say what inputs come
next) and `narrowing` (recommendations go to ever fewer items). `watch` weighs them and says that a
loop is `suspected`.
"""
