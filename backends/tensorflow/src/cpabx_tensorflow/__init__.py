"""The TensorFlow and Keras backend of cpabx."""
