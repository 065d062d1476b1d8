"""The array side of a prediction: request, layout, ensemble members and postprocessing.

This folder works on arrays and does not import Keras or TensorFlow, so that `import xr_dl4ds` stays
quick. The network side of a prediction is `xr_dl4ds.inference`.
"""
