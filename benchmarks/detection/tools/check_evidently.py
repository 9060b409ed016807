from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
from rows import answer, series

definition = DataDefinition(numerical_columns=["x"], categorical_columns=["y"])
verdicts = {}
for of in series():
    reference = Dataset.from_pandas(of.whole, data_definition=definition)
    found: dict[str, list[bool]] = {"x": [], "y": []}
    for table in of.windows:
        window = Dataset.from_pandas(table, data_definition=definition)
        for metric in Report([DataDriftPreset()]).run(window, reference).dict()["metrics"]:
            said = metric["config"]
            if said["type"].endswith("ValueDrift"):
                found[said["column"]].append(bool(metric["value"] >= said["threshold"]))
    verdicts[of.name] = found
answer(verdicts)
