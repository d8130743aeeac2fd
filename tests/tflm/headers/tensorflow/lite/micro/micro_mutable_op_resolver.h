// See micro_interpreter.h. Codes of operators: schema.fbs.
#pragma once
#include "tensorflow/lite/micro/micro_interpreter.h"

namespace tflite {

namespace micro {

#define FUNCTIONS_OF(registration, parse) \
  TFLMRegistration registration();        \
  TfLiteStatus parse(const Operator*, BuiltinDataAllocator*, void**);

FUNCTIONS_OF(Register_ADD, ParseAdd)
FUNCTIONS_OF(Register_AVERAGE_POOL_2D, ParsePool)
FUNCTIONS_OF(Register_CONV_2D, ParseConv2D)
FUNCTIONS_OF(Register_DEPTHWISE_CONV_2D, ParseDepthwiseConv2D)
FUNCTIONS_OF(Register_FULLY_CONNECTED, ParseFullyConnected)
FUNCTIONS_OF(Register_QUANTIZE, ParseQuantize)
FUNCTIONS_OF(Register_SOFTMAX, ParseSoftmax)

template <unsigned int tOpCount>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
  const TFLMRegistration* FindOp(BuiltinOperator op) const override {
    const int place = PlaceOf(op);
    return place < 0 ? nullptr : &registrations_[place];
  }
  const TFLMRegistration* FindOp(const char*) const override { return nullptr; }  // there are no custom ones
  Parse GetOpDataParser(BuiltinOperator op) const override {
    const int place = PlaceOf(op);
    return place < 0 ? nullptr : parsers_[place];
  }

  TfLiteStatus AddAdd() { return AddBuiltin(0, Register_ADD(), ParseAdd); }
  TfLiteStatus AddAveragePool2D() { return AddBuiltin(1, Register_AVERAGE_POOL_2D(), ParsePool); }
  TfLiteStatus AddConv2D() { return AddBuiltin(3, Register_CONV_2D(), ParseConv2D); }
  TfLiteStatus AddDepthwiseConv2D() {
    return AddBuiltin(4, Register_DEPTHWISE_CONV_2D(), ParseDepthwiseConv2D);
  }
  TfLiteStatus AddFullyConnected() { return AddBuiltin(9, Register_FULLY_CONNECTED(), ParseFullyConnected); }
  TfLiteStatus AddSoftmax() { return AddBuiltin(25, Register_SOFTMAX(), ParseSoftmax); }
  TfLiteStatus AddQuantize() { return AddBuiltin(114, Register_QUANTIZE(), ParseQuantize); }

 private:
  int PlaceOf(BuiltinOperator op) const {
    for (unsigned int i = 0; i < count_; i++) {
      if (registrations_[i].builtin_code == static_cast<int32_t>(op)) return static_cast<int>(i);
    }
    return -1;
  }

  TfLiteStatus AddBuiltin(int32_t code, const TFLMRegistration& registration, Parse parse) {
    if (count_ >= tOpCount) return kTfLiteError;
    registrations_[count_] = registration;
    registrations_[count_].builtin_code = code;
    parsers_[count_++] = parse;
    return kTfLiteOk;
  }

  TFLMRegistration registrations_[tOpCount];
  Parse parsers_[tOpCount];
  unsigned int count_ = 0;
};

}  // namespace micro
}  // namespace tflite
