"""Record files of `tf.train.Example`, TFRecord and ArrayRecord: read in any order and written, without TensorFlow.

Open `record_set` first: one part of a data set, of either format. `tfrecord` and `arrayrecord` are the formats,
`example` is what a record holds, `riegeli` what an ArrayRecord file is asked before its library opens it. May
import from the ground, storage and photos.
"""
