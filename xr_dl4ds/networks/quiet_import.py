"""The first import of Keras, and with it of TensorFlow, without TensorFlow's start-up messages.

Every package that uses Keras or TensorFlow imports this module first.
"""

from xr_dl4ds.processes import quiet_start

with quiet_start():
    import keras as keras
