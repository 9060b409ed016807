import nannyml as nml
import pandas as pd
from task import ASKED, answer

names = [*ASKED["numeric"], *ASKED["categorical"]]
calculator = nml.UnivariateDriftCalculator(
    column_names=names,
    continuous_methods=["kolmogorov_smirnov"],
    categorical_methods=["chi2"],
    treat_as_numerical=ASKED["numeric"],
    treat_as_categorical=ASKED["categorical"],
    chunk_number=1,
)
calculator.fit(pd.read_parquet(ASKED["baseline"], columns=names))
found = calculator.calculate(pd.read_parquet(ASKED["rows"], columns=names)).to_df()
answer(columns=len(names), values=found.shape[1])
