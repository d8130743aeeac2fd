// What main.cc uses of TFLite Micro, declared as the library in the Python package tflite-micro (requirements.txt) has it.
//
// The library's own headers are in no registry. The package's _runtime.so exports all of it, so that main.cc can be run
// on it; names and order of the virtual functions were read from its symbols, its objects from what it does.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tflite {

struct Model;
struct Operator;

inline const Model* GetModel(const void* data) {  // a flatbuffer begins with the place of its root
  const uint8_t* bytes = static_cast<const uint8_t*>(data);
  return reinterpret_cast<const Model*>(bytes + *reinterpret_cast<const uint32_t*>(bytes));
}

enum BuiltinOperator : int32_t {};  // schema.fbs

namespace micro {

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };

struct TfLiteTensor {
  void* quantization[2];
  struct {
    float scale;
    int32_t zero_point;
  } params;
  union {
    uint8_t* uint8;
    int8_t* int8;
    float* f;
  } data;
  void* dims;
  size_t bytes;
};

class MicroResourceVariables;
class MicroProfilerInterface;
class BuiltinDataAllocator;

struct TFLMRegistration {
  void* functions[5];
  int32_t builtin_code;
  const char* custom_name;
};


using Parse = TfLiteStatus (*)(const Operator*, BuiltinDataAllocator*, void**);

class MicroOpResolver {
 public:
  virtual const TFLMRegistration* FindOp(BuiltinOperator op) const = 0;
  virtual const TFLMRegistration* FindOp(const char* name) const = 0;
  virtual Parse GetOpDataParser(BuiltinOperator op) const = 0;
  virtual ~MicroOpResolver() = default;
};

class MicroInterpreter {
 public:
  MicroInterpreter(const Model*, const MicroOpResolver&, uint8_t* arena, size_t bytes,
                   MicroResourceVariables* = nullptr, MicroProfilerInterface* = nullptr, bool = false);
  ~MicroInterpreter();
  TfLiteStatus AllocateTensors();
  TfLiteStatus Invoke();
  TfLiteTensor* input(size_t index);
  TfLiteTensor* output(size_t index);

 private:
  alignas(16) uint8_t opaque_[8192];  // more than it takes
};

}  // namespace micro
}  // namespace tflite
