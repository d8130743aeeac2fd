"""What runs a model file: LiteRT and ONNX Runtime; `model` brings photos to answers by the contract."""
