"""The first import of Keras and TensorFlow, without TensorFlow's messages at its start.

Every package that uses Keras or TensorFlow imports this module before anything else.
"""

from xr_dl4ds.quiet import quiet_start

with quiet_start():
    import keras as keras
