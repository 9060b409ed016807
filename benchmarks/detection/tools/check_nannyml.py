import nannyml as nml
from rows import answer, series, timed

verdicts = {}
for of in series():
    calculator = nml.UnivariateDriftCalculator(
        column_names=["x", "y"],
        treat_as_numerical=["x"],
        treat_as_categorical=["y"],
        timestamp_column_name="time",
        chunk_period="h" if of.hours == 1 else "D",
    )
    calculator.fit(timed(of.reference, of.hours, "2024-01-01"))
    said = calculator.calculate(timed(of.windows, of.hours, "2025-01-01"))
    table = said.filter(period="analysis").to_df()
    verdicts[of.name] = {
        column: [bool(alert) for alert in table[column, "jensen_shannon", "alert"]]
        for column in ("x", "y")
    }
answer(verdicts)
