import whylogs as why
from rows import answer, series
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

verdicts = {}
for of in series():
    reference = why.log(pandas=of.whole).view()
    found: dict[str, list[bool]] = {"x": [], "y": []}
    for table in of.windows:
        said = calculate_drift_scores(
            target_view=why.log(pandas=table).view(), reference_view=reference, with_thresholds=True
        )
        for column, drifted in found.items():
            drifted.append(said[column]["drift_category"] == "DRIFT")
    verdicts[of.name] = found
answer(verdicts)
