// One decoding step of a decoder-only transformer in one cooperative launch: every live sequence (column) gets its next
// token. All blocks stay resident and walk through the layers together; between phases they meet at a counter in device
// memory, and while they wait, the next phase's weights are already on their way into shared memory.
//
// A phase is a product y = W x with W [N][K] row-major and up to COLS columns of x. Its work is cut into units of 32 rows
// by 64 bytes (128 weights in NF4, 32 in bfloat16); every block takes an equal run of units, every warp an equal run of
// its block's. A warp streams its units through a ring of its own (cp.async) into mma.m16n8k16 with the weights as
// the 16-row operand, so 1 and 8 columns cost the same and a column's bits do not depend on its neighbours. Partial sums
// meet in shared memory, and where two blocks share a tile, in device memory; always in the same order.
//
// NF4 weights are read as bitsandbytes packs them: the high nibble is the earlier element; a byte becomes two fp16
// values through a table with one copy a bank. Operands for NF4 are fp16 scaled by 2^-6, so that 65504 is 4.2e6.
//
// Macros come from core/engine/kernels/plan.py: LAYERS HIDDEN INNER HEADS KV_HEADS HEAD_DIM VOCAB COLS NF4 QK_NORM RANK
// SLOTS EPS DEPTH DEPTH_HEAD STREAM_DOWN TILES X_BYTES RING_BYTES.
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define THREADS 512
#define WARPS 16
#define GROUP (HEADS / KV_HEADS)
#define Q_ROWS (HEADS * HEAD_DIM)
#define KV_ROWS (KV_HEADS * HEAD_DIM)
#define QKV_ROWS (Q_ROWS + 2 * KV_ROWS)
#define MAX_CHUNKS 32
#define BLOCK_POSITIONS 64
#define TILE_VALUES (32 * COLS)
#define NEGATIVE_INFINITY __int_as_float(0xff800000)
#define X_UNIT 0.015625f
#define NONE -1
// The warp that arrives at meetings for its block. It is the last, which has the smallest share of the units, because
// arriving waits for the copies of the thread that arrives: its own streams begin later.
#define HERALD (WARPS - 1)

#ifndef EARLY
#define EARLY 8
#endif

enum Kind { QKV = 0, OUT = 1, GATE_UP = 2, DOWN = 3, HEAD = 4 };

struct Matrix {
  const u8* weight;
  const u8* absmax;
  const float* absmax2;
  const u16* bias;
  float offset;
  int first_block;  // of this matrix within absmax, where it is a part of a fused one
  const float* a[SLOTS];
  const float* b[SLOTS];
  float scale[SLOTS];
};

struct Layer {
  Matrix q, k, v, o, gate, up, down;
  const u16* norm1;
  const u16* norm2;
  const u16* q_norm;
  const u16* k_norm;
  u16* keys;
  u16* values;
};

struct Params {
  const Layer* layers;
  const u16* embedding;
  const u8* head;
  const u16* final_norm;
  const float* cosines;
  const float* sines;
  const float* code;
  const u32* pairs;
  float* hidden;
  float* qkv;
  u16* mixed;
  u16* inner;
  float* logits;
  u64* tails;
  u64* lora_parts;
  float* chunk_sums;
  float* chunk_norms;
  u32* chunk_counts;
  float* best_scores;
  int* best_tokens;
  u32* counters;
  u64* times;
  int* tokens;
  int* lengths;
  const int* live;
  const int* slots;
  int ranks[SLOTS];
  int capacity;
  int use_lora;
};

extern __shared__ __align__(128) u8 shared[];
#if NF4
__shared__ __align__(128) u32 pair_table[8192];  // static: its address is then a constant of each load
#endif
#define LAYER_BYTES ((sizeof(Layer) + 127) / 128 * 128)
#define CODE_AT 0
#define RED_AT (CODE_AT + 1024)
#define ROWS_AT (RED_AT + 1024)
#define LAYERS_AT (ROWS_AT + 128)
#define T_AT (LAYERS_AT + 2 * LAYER_BYTES)
#define T_BYTES (3 * (RANK > 0 ? RANK : 4) * COLS * 4)
#define B_AT (T_AT + T_BYTES)
#define B_BYTES (48 * RANK * 4)
#define PARTS_AT (B_AT + 2 * B_BYTES)
#define X_AT (PARTS_AT + (TILES + WARPS) * TILE_VALUES * 4)
#define RING_AT (X_AT + X_BYTES)

struct Rows {  // of the batch, in shared memory
  int slots[8], live[8], lengths[8];
};
__device__ __forceinline__ const Rows& rows() { return *(const Rows*)(shared + ROWS_AT); }

#ifdef TIMED  // for the bench: block 0 notes the times of its steps
__shared__ int noted;
#define NOTE()                                                            \
  if (blockIdx.x == 0 && threadIdx.x == 0) {                              \
    u64 now;                                                              \
    asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now)::"memory");     \
    p.times[noted++] = now;                                               \
  }
#else
#define NOTE()
#endif

// ---- small pieces -------------------------------------------------------------------------------------------------

__device__ __forceinline__ u32 shared_address(const void* pointer) { return (u32)__cvta_generic_to_shared(pointer); }

__device__ __forceinline__ void copy16(u32 to, const void* from) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}
// Zeros where the row is not `there`; nothing is read then.
__device__ __forceinline__ void copy_row(u32 to, const void* from, bool there) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(there ? 16 : 0) : "memory");
}
__device__ __forceinline__ void copy4(u32 to, const void* from) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(from) : "memory");
}
__device__ __forceinline__ void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int PENDING>
__device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

__device__ __forceinline__ float from_bf16(u16 bits) { return __uint_as_float((u32)bits << 16); }
__device__ __forceinline__ u16 to_bf16(float value) {
  u16 bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
__device__ __forceinline__ u16 to_f16(float value) {
  u16 bits;
  value = fminf(fmaxf(value, -65504.0f), 65504.0f);
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
__device__ __forceinline__ float from_f16(u16 bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}

template <bool IS_NF4>
__device__ __forceinline__ u16 to_operand(float value) {
  return IS_NF4 ? to_f16(value * X_UNIT) : to_bf16(value);
}
template <bool IS_NF4>
__device__ __forceinline__ float from_operand(u16 bits) {
  return IS_NF4 ? from_f16(bits) * (1.0f / X_UNIT) : from_bf16(bits);
}
// Operands lie in blocks of 32 of K: [block][column][32].
__device__ __forceinline__ int operand_at(int k, int column) { return ((k >> 5) * COLS + column) * 32 + (k & 31); }

template <bool IS_NF4>
__device__ __forceinline__ void multiply(float* c, u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
  if (IS_NF4)
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
  else
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

__device__ __forceinline__ float warp_sum(float value) {
#pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1) value += __shfl_xor_sync(0xffffffffu, value, offset);
  return value;
}
__device__ __forceinline__ float warp_max(float value) {
#pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1) value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, offset));
  return value;
}

// What other blocks write in this launch is read past L1 (__ldcg, cp.async.cg) and only after the wait, so the wait need
// not empty L1, which an acquire does each time.
__device__ __forceinline__ u32 load_strong(const u32* pointer) {
  u32 value;
  asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(pointer) : "memory");
  return value;
}

// A value that carries the number of the phase it belongs to: written and read in one piece, so neither side needs a
// fence, which would also wait for all weights on their way.
__device__ __forceinline__ void store_tagged(u64* pointer, float value, u32 epoch) {
  u64 word = (u64)epoch << 32 | __float_as_uint(value);
  asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(pointer), "l"(word) : "memory");
}
__device__ __forceinline__ float await_tagged(const u64* pointer, u32 epoch) {
  u64 word;
  u32 tries = 0;
  do {
    asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(word) : "l"(pointer) : "memory");
    if (++tries == 1u << 26) __trap();
  } while ((u32)(word >> 32) != epoch);
  return __uint_as_float((u32)word);
}

// Counters only grow, and count launches too, so every block knows the value to wait for.
__device__ __forceinline__ void arrive(u32* counter) {
  __syncthreads();
  if (threadIdx.x == HERALD * 32) asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(counter) : "memory");
}
__device__ __forceinline__ void spin(const u32* counter, u32 target) {
  long long start = clock64();
  while ((int)(load_strong(counter) - target) < 0)
    if (clock64() - start > 8000000000ll) __trap();  // seconds: the device is lost rather than hung for ever
}
__device__ __forceinline__ void await_value(const u32* counter, u32 target) {
  if (threadIdx.x == 0) spin(counter, target);
  __syncthreads();
}

// ---- the shape of each product -------------------------------------------------------------------------------------

template <int KIND>
struct Shape {
  static const bool IS_NF4 = NF4 && KIND != HEAD;
  static const int K = KIND == OUT ? Q_ROWS : KIND == DOWN ? INNER : HIDDEN;
  static const int ROWS = KIND == QKV ? QKV_ROWS : KIND == GATE_UP ? 2 * INNER : KIND == HEAD ? VOCAB : HIDDEN;
  static const int STEP = IS_NF4 ? 128 : 32;           // of K, a unit
  static const int PARTS = STEP / 32;
  static const int UNITS = (K + STEP - 1) / STEP;      // a tile
  static const bool ODD = K % STEP != 0;               // NF4: the last unit of a tile is half as long
  static const int SCALES = IS_NF4 ? K / 64 : 0;       // blocks of 64 weights a row
  static const int ALL_TILES = (ROWS + 31) / 32;
  static const bool WHOLE = ROWS % 32 == 0;
  static const bool STREAMED = KIND == DOWN && STREAM_DOWN;
  static const int SLOT = IS_NF4 ? 2048 + (ODD ? 512 : 256) : 2048;  // NF4: words of absmax and of its scale behind it
  static const int RING = KIND == HEAD ? DEPTH_HEAD : DEPTH;
  static const int FIRST = RING < EARLY ? RING : EARLY;  // units on their way before the meeting
  static const int PROJECTIONS = KIND == QKV ? 3 : KIND == GATE_UP ? 2 : 1;
  static const int PIECES = (K + 511) / 512;           // of K, in the product with LoRA's A
  static const int ITEMS = SLOTS * PROJECTIONS * RANK * PIECES;
};

// The matrix and row behind row `row` (0..31) of tile `tile`. A tile of gate and up holds 16 rows of each.
template <int KIND>
__device__ __forceinline__ const Matrix* matrix_of(const Layer* layer, int tile, int row, int* within) {
  if (KIND == QKV) {
    int n = tile * 32 + row;
    if (n < Q_ROWS) {
      *within = n;
      return &layer->q;
    }
    if (n < Q_ROWS + KV_ROWS) {
      *within = n - Q_ROWS;
      return &layer->k;
    }
    *within = n - Q_ROWS - KV_ROWS;
    return &layer->v;
  }
  if (KIND == GATE_UP) {
    *within = tile * 16 + (row & 15);
    return row < 16 ? &layer->gate : &layer->up;
  }
  *within = tile * 32 + row;
  return KIND == OUT ? &layer->o : &layer->down;
}

// ---- a warp's stream of units ------------------------------------------------------------------------------------

struct Stream {
  int next, end;     // units to consume
  int issue;         // next unit to issue
  int tile, unit;    // of `issue`
  const u8* weight0; // this lane's weights in the tile's first half, unit 0
  const u8* weight1; // and in its second half
  const u8* absmax;  // of the matrix of the row `lane`
  const float* absmax2;
  int scale_base;    // index of this lane's row in absmax
};

struct Span {  // the units of one block in one chunk of tiles
  int all_first, all_last;  // of the block
  int first, last;          // of the chunk
  int tile;                 // the chunk's first tile
  int each;                 // units a warp
  bool is_last;             // the block has no further chunk
};

template <int KIND>
__device__ __forceinline__ Span span_of(int chunk) {
  typedef Shape<KIND> S;
  const long long total = (long long)S::ALL_TILES * S::UNITS;
  Span s;
  s.all_first = (int)(total * blockIdx.x / gridDim.x);
  s.all_last = (int)(total * (blockIdx.x + 1) / gridDim.x);
  int tile0 = s.all_first / S::UNITS;
  s.tile = tile0 + chunk * TILES;
  s.first = chunk == 0 ? s.all_first : s.tile * S::UNITS;
  s.last = min(s.all_last, (s.tile + TILES) * S::UNITS);
  s.is_last = s.last == s.all_last;
  s.each = max(1, (s.last - s.first + WARPS - 1) / WARPS);
  return s;
}

template <int KIND>
__device__ __forceinline__ void enter_tile(Stream& st, const Params& p, const Layer* layer) {
  typedef Shape<KIND> S;
  const int lane = threadIdx.x & 31;
  if (KIND == HEAD) {
    st.weight0 = p.head + (u64)(st.tile * 32 + (lane >> 2)) * S::K * 2 + (lane & 3) * 16;
    st.weight1 = st.weight0 + (u64)16 * S::K * 2;
    return;
  }
  int row;
  const int row_bytes = S::IS_NF4 ? S::K / 2 : S::K * 2;
  const Matrix* m = matrix_of<KIND>(layer, st.tile, lane >> 2, &row);
  st.weight0 = m->weight + (u64)row * row_bytes + (lane & 3) * 16;
  m = matrix_of<KIND>(layer, st.tile, 16 + (lane >> 2), &row);
  st.weight1 = m->weight + (u64)row * row_bytes + (lane & 3) * 16;
  if (S::IS_NF4) {
    m = matrix_of<KIND>(layer, st.tile, lane, &row);
    st.absmax = m->absmax;
    st.absmax2 = m->absmax2;
    st.scale_base = m->first_block + row * S::SCALES;
  }
}

template <int KIND>
__device__ __forceinline__ void issue_unit(Stream& st, const Params& p, const Layer* layer, u32 slot) {
  typedef Shape<KIND> S;
  if (st.issue >= st.end) return;
  const int lane = threadIdx.x & 31;
  if (st.unit == S::UNITS) {
    st.unit = 0;
    st.tile++;
    enter_tile<KIND>(st, p, layer);
  }
  if (S::IS_NF4) {
    // 16-byte chunk c of row r lies at place c ^ (r / 2 % 4) of its row: whole lines to write, all banks to read
    u32 to = slot + (lane >> 2) * 64 + ((lane & 3) ^ (lane >> 3)) * 16;
    const u8* w0 = st.weight0 + st.unit * 64;
    const u8* w1 = st.weight1 + st.unit * 64;
    if (!S::ODD || st.unit < S::UNITS - 1 || (lane & 3) < 2) {
      copy16(to, w0);
      copy16(to + 512, w0 + 8 * (S::K / 2));
      copy16(to + 1024, w1);
      copy16(to + 1536, w1 + 8 * (S::K / 2));
    }
    int at = st.scale_base + st.unit * 2;
    copy4(slot + 2048 + lane * 4, st.absmax + (at & ~3));
    copy4(slot + 2176 + lane * 4, st.absmax2 + (at >> 8));
    if (S::ODD && st.unit < S::UNITS - 1) {  // the second block may lie in another word
      at++;
      copy4(slot + 2304 + lane * 4, st.absmax + (at & ~3));
      copy4(slot + 2432 + lane * 4, st.absmax2 + (at >> 8));
    }
  } else {
    u32 to = slot + (lane >> 2) * 64 + (lane & 3) * 16;
    const int left = S::ROWS - st.tile * 32 - (lane >> 2);  // rows beyond the matrix are zeros
    copy_row(to, st.weight0 + st.unit * 64, S::WHOLE || left > 0);
    copy_row(to + 512, st.weight0 + (u64)8 * S::K * 2 + st.unit * 64, S::WHOLE || left > 8);
    copy_row(to + 1024, st.weight1 + st.unit * 64, S::WHOLE || left > 16);
    copy_row(to + 1536, st.weight1 + (u64)8 * S::K * 2 + st.unit * 64, S::WHOLE || left > 24);
  }
  st.issue++;
  st.unit++;
}

template <int KIND>
__device__ __forceinline__ u32 ring_of() {
  return shared_address(shared) + RING_AT + (threadIdx.x >> 5) * (RING_BYTES / WARPS);
}

// Starts the stream of a chunk: its first weights. They depend on no other phase, so this runs before the wait.
template <int KIND>
__device__ __forceinline__ void begin(Stream& st, const Params& p, const Layer* layer, int chunk) {
  typedef Shape<KIND> S;
  const Span span = span_of<KIND>(chunk);
  const int warp = threadIdx.x >> 5;
  st.next = st.issue = min(span.first + warp * span.each, span.last);
  st.end = min(st.next + span.each, span.last);
  st.tile = st.next / S::UNITS;
  st.unit = st.next - st.tile * S::UNITS;
  if (st.next < st.end) enter_tile<KIND>(st, p, layer);
  const u32 ring = ring_of<KIND>();
#pragma unroll
  for (int i = 0; i < S::FIRST; i++) {
    issue_unit<KIND>(st, p, layer, ring + i * S::SLOT);
    commit();
  }
}

#if NF4
__device__ __forceinline__ u32 pair_of(u32 shifted, u32 lane4) {
  return *(const u32*)((const u8*)pair_table + ((shifted & 0x7f80u) | lane4));
}

// 32 rows by 64 weights: acc += scale * (W x). w: the unit's word of this lane in its row; first: the block's first chunk,
// already in its row's order; x: the lane's two operands.
__device__ __forceinline__ void multiply_block(float (*acc)[4], const u8* w, int first, const uint4* x, float scale, u32 lane4,
                                               int g) {
  float c[2][4] = {};
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const u8* from = w + (first ^ (half * 16));
    u32 w0 = *(const u32*)from, w1 = *(const u32*)(from + 512);
    u32 w2 = *(const u32*)(from + 1024), w3 = *(const u32*)(from + 1536);
    uint4 xv = x[half];
    multiply<true>(c[0], pair_of(w0 << 7, lane4), pair_of(w1 << 7, lane4), pair_of(w0 >> 1, lane4),
                   pair_of(w1 >> 1, lane4), xv.x, xv.y);
    multiply<true>(c[1], pair_of(w2 << 7, lane4), pair_of(w3 << 7, lane4), pair_of(w2 >> 1, lane4),
                   pair_of(w3 >> 1, lane4), xv.x, xv.y);
    multiply<true>(c[0], pair_of(w0 >> 9, lane4), pair_of(w1 >> 9, lane4), pair_of(w0 >> 17, lane4),
                   pair_of(w1 >> 17, lane4), xv.z, xv.w);
    multiply<true>(c[1], pair_of(w2 >> 9, lane4), pair_of(w3 >> 9, lane4), pair_of(w2 >> 17, lane4),
                   pair_of(w3 >> 17, lane4), xv.z, xv.w);
  }
#pragma unroll
  for (int half = 0; half < 2; half++) {
    float low = __shfl_sync(0xffffffffu, scale, half * 16 + g), high = __shfl_sync(0xffffffffu, scale, half * 16 + g + 8);
    acc[half][0] += c[half][0] * low;
    acc[half][1] += c[half][1] * low;
    acc[half][2] += c[half][2] * high;
    acc[half][3] += c[half][3] * high;
  }
}
#endif

// A lane's operands of one unit: 8 values of its column from each block of 32.
template <int KIND>
struct Operands {
  uint4 part[Shape<KIND>::PARTS];
};

// Where the operands of all columns do not fit into shared memory, they come from L2, one unit ahead.
template <int KIND>
__device__ __forceinline__ void load_operands(Operands<KIND>& x, const Params& p, int unit) {
  typedef Shape<KIND> S;
  const int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3;
  const uint4* from = (const uint4*)(p.inner + ((u64)unit * S::PARTS * COLS + g) * 32 + t * 8);
#pragma unroll
  for (int i = 0; i < S::PARTS; i++)
    x.part[i] = g < COLS && (!S::ODD || unit * S::PARTS + i < S::K / 32) ? __ldcg(from + i * COLS * 4)
                                                                        : make_uint4(0, 0, 0, 0);
}

// Multiplies all units of the stream; each tile's sums go into the parts of this warp.
template <int KIND>
__device__ __forceinline__ void consume(Stream& st, const Params& p, const Layer* layer, const Span& span) {
  typedef Shape<KIND> S;
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, g = lane >> 2, t = lane & 3;
  u32 lane4;  // opaque, or it is computed again for every weight
  asm volatile("shl.b32 %0, %1, 2;" : "=r"(lane4) : "r"(lane));
  const u32 ring = ring_of<KIND>();
  const u8* ring_bytes = shared + RING_AT + warp * (RING_BYTES / WARPS);
  float* parts = (float*)(shared + PARTS_AT);
#pragma unroll
  for (int i = S::FIRST; i < S::RING; i++) {
    issue_unit<KIND>(st, p, layer, ring + i * S::SLOT);
    commit();
  }
  int tile = st.next / S::UNITS, unit = st.next - tile * S::UNITS, slot = 0;
  float acc[2][4] = {};
  int scale_base = 0;
  float offset = 0;
  bool entered = false;
  Operands<KIND> ahead;
  if (S::STREAMED && st.next < st.end) load_operands<KIND>(ahead, p, unit);
  while (st.next < st.end) {
    if (S::IS_NF4 && !entered) {
      int row;
      const Matrix* m = matrix_of<KIND>(layer, tile, lane, &row);
      scale_base = m->first_block + row * S::SCALES;
      offset = m->offset;
      entered = true;
    }
    wait_copies<S::RING - 1>();
    __syncwarp();
    const u8* from = ring_bytes + slot * S::SLOT;
    Operands<KIND> x;
    if (S::STREAMED) {
      x = ahead;
      if (st.next + 1 < st.end) load_operands<KIND>(ahead, p, unit + 1 == S::UNITS ? 0 : unit + 1);
    } else {
      const u8* at = shared + X_AT + (unit * S::PARTS * COLS + g) * 64 + t * 16;
#pragma unroll
      for (int i = 0; i < S::PARTS; i++)
        x.part[i] = g < COLS && (!S::ODD || unit * S::PARTS + i < S::K / 32) ? *(const uint4*)(at + i * COLS * 64)
                                                                            : make_uint4(0, 0, 0, 0);
    }
#if NF4
    if (S::IS_NF4) {
      const float* code = (const float*)(shared + CODE_AT);
      const int at = scale_base + unit * 2;
#pragma unroll
      for (int block = 0; block < 2; block++) {
        if (S::ODD && block == 1 && unit == S::UNITS - 1) break;
        const int word = S::ODD ? block * 256 : 0;
        float scale = __fadd_rn(__fmul_rn(code[from[2048 + word + lane * 4 + ((at + block) & 3)]],
                                          *(const float*)(from + 2176 + word + lane * 4)),
                                offset);
        multiply_block(acc, from + g * 64 + t * 4, (g >> 1) * 16 ^ block * 32, x.part + (S::IS_NF4 ? block * 2 : 0), scale,
                       lane4, g);
      }
    }
#endif
    if (!S::IS_NF4) {
      const uint4 xv = x.part[0];
      const u8* w = from + g * 64 + t * 16;
      uint4 w0 = *(const uint4*)w, w1 = *(const uint4*)(w + 512);
      uint4 w2 = *(const uint4*)(w + 1024), w3 = *(const uint4*)(w + 1536);
      multiply<false>(acc[0], w0.x, w1.x, w0.y, w1.y, xv.x, xv.y);
      multiply<false>(acc[1], w2.x, w3.x, w2.y, w3.y, xv.x, xv.y);
      multiply<false>(acc[0], w0.z, w1.z, w0.w, w1.w, xv.z, xv.w);
      multiply<false>(acc[1], w2.z, w3.z, w2.w, w3.w, xv.z, xv.w);
    }
    __syncwarp();
    issue_unit<KIND>(st, p, layer, ring + slot * S::SLOT);
    commit();
    slot = slot + 1 == S::RING ? 0 : slot + 1;
    st.next++;
    unit++;
    if (unit == S::UNITS || st.next == st.end) {
      const float unscale = S::IS_NF4 ? 1.0f / X_UNIT : 1.0f;
      float* to = parts + (tile - span.tile + warp) * TILE_VALUES;
#pragma unroll
      for (int i = 0; i < 8; i++) {
        int row = (i >> 2) * 16 + ((i >> 1) & 1) * 8 + g, column = 2 * t + (i & 1);
        if (column < COLS) to[row * COLS + column] = acc[i >> 2][i & 3] * unscale;
        acc[i >> 2][i & 3] = 0;
      }
      tile++;
      unit = 0;
      entered = false;
    }
  }
}

// The sum of this block's parts of value `at` (row * COLS + column) of a tile.
template <int KIND>
__device__ __forceinline__ float part_sum(const Span& span, int tile, int at) {
  typedef Shape<KIND> S;
  const float* parts = (const float*)(shared + PARTS_AT);
  int first = max(tile * S::UNITS, span.first) - span.first, last = min((tile + 1) * S::UNITS, span.last) - 1 - span.first;
  float sum = 0;
  for (int warp = first / span.each; warp <= last / span.each; warp++)
    sum += parts[(tile - span.tile + warp) * TILE_VALUES + at];
  return sum;
}

// ---- operands ---------------------------------------------------------------------------------------------------

// A row whose scores were no numbers has token -1; the host ends it.
__device__ __forceinline__ int token_of(const Params& p, int column) { return max(__ldcg(p.tokens + column), 0); }

__device__ __forceinline__ float4 hidden4(const Params& p, int column, int k, bool embedded) {
  if (!embedded) return __ldcg((const float4*)(p.hidden + column * HIDDEN + k));
  uint2 bits = *(const uint2*)(p.embedding + (u64)token_of(p, column) * HIDDEN + k);
  return make_float4(__uint_as_float(bits.x << 16), __uint_as_float(bits.x & 0xffff0000u), __uint_as_float(bits.y << 16),
                     __uint_as_float(bits.y & 0xffff0000u));
}

// RMSNorm of every column into the shared operands. The weights do not depend on the phase before: they are asked for
// first, then the meeting is awaited.
template <bool IS_NF4>
__device__ __forceinline__ void stage_norm(const Params& p, const u16* weight, bool embedded, const u32* counter, u32 target) {
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const int PER = WARPS / COLS, STRIDE = PER * 32, COUNT = (HIDDEN / 4 + STRIDE - 1) / STRIDE;
  const bool KEEP = COUNT <= 16, KEEP_WEIGHTS = COUNT <= 4;
  const int column = warp / PER, part = warp % PER, first = part * 32 + lane;
  float* red = (float*)(shared + RED_AT);
  u16* x = (u16*)(shared + X_AT);
  float4 kept[KEEP ? COUNT : 1];
  uint2 weights[KEEP_WEIGHTS ? COUNT : 1];
  if (KEEP_WEIGHTS) {
#pragma unroll(KEEP_WEIGHTS ? COUNT : 1)
    for (int i = 0; i < COUNT; i++)
      if (first + i * STRIDE < HIDDEN / 4) weights[i] = __ldg((const uint2*)(weight + (first + i * STRIDE) * 4));
  } else {
    for (int i = threadIdx.x; i < HIDDEN / 64; i += THREADS)
      asm volatile("prefetch.global.L2 [%0];" ::"l"(weight + i * 64));
  }
  await_value(counter, target);
  // Sixteen partial sums a column, whatever the number of columns: the same bits alone and beside others.
  const int SUMS = WARPS / PER;
  float sums[SUMS] = {};
#pragma unroll(KEEP ? COUNT : 1)
  for (int from = 0; from < COUNT; from += SUMS)
#pragma unroll
    for (int j = 0; j < SUMS; j++) {
      const int i = from + j, k4 = first + i * STRIDE;
      float4 v = make_float4(0, 0, 0, 0);
      if (i < COUNT && k4 < HIDDEN / 4) v = hidden4(p, column, k4 * 4, embedded);
      if (KEEP && i < COUNT) kept[KEEP ? i : 0] = v;
      sums[j] += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
    }
#pragma unroll
  for (int j = 0; j < SUMS; j++) {
    float sum = warp_sum(sums[j]);
    if (lane == 0) red[column * WARPS + j * PER + part] = sum;
  }
  __syncthreads();
  float sum = 0;
#pragma unroll
  for (int j = 0; j < WARPS; j++) sum += red[column * WARPS + j];
  const float scale = rsqrtf(sum / HIDDEN + EPS);
#pragma unroll(KEEP ? COUNT : 4)
  for (int i = 0; i < COUNT; i++) {
    int k4 = first + i * STRIDE;
    if (k4 >= HIDDEN / 4) continue;
    float4 v = KEEP ? kept[KEEP ? i : 0] : hidden4(p, column, k4 * 4, embedded);
    uint2 w = KEEP_WEIGHTS ? weights[KEEP_WEIGHTS ? i : 0] : __ldg((const uint2*)(weight + k4 * 4));
    u32 a = to_operand<IS_NF4>(v.x * scale * __uint_as_float(w.x << 16));
    u32 b = to_operand<IS_NF4>(v.y * scale * __uint_as_float(w.x & 0xffff0000u));
    u32 c = to_operand<IS_NF4>(v.z * scale * __uint_as_float(w.y << 16));
    u32 d = to_operand<IS_NF4>(v.w * scale * __uint_as_float(w.y & 0xffff0000u));
    *(uint2*)(x + operand_at(k4 * 4, column)) = make_uint2(a | b << 16, c | d << 16);
  }
  __syncthreads();
}

template <int K>
__device__ __forceinline__ void stage_copy(const u16* from) {
  uint4* x = (uint4*)(shared + X_AT);
#pragma unroll 4
  for (int i = threadIdx.x; i < K * COLS / 8; i += THREADS) x[i] = __ldcg((const uint4*)from + i);
  __syncthreads();
}

// ---- LoRA -------------------------------------------------------------------------------------------------------

#if RANK > 0
#define PIECE 512
template <int KIND>
__device__ __forceinline__ const Matrix* projection(const Layer* layer, int index) {
  if (KIND == QKV) return index == 0 ? &layer->q : index == 1 ? &layer->k : &layer->v;
  if (KIND == GATE_UP) return index == 0 ? &layer->gate : &layer->up;
  return KIND == OUT ? &layer->o : &layer->down;
}

// A piece of a row of A, in a warp's registers. Items are spread over all warps of the grid, those with the fewest units
// first, but for the herald.
__device__ __forceinline__ int item_rank() { return (2 * WARPS - 2 - (threadIdx.x >> 5)) % WARPS; }
struct Piece {
  float4 a[PIECE / 128];
  int slot;  // NONE: nobody uses it
};

template <int KIND>
__device__ __forceinline__ void lora_load(Piece& piece, const Params& p, const Layer* layer, int item) {
  typedef Shape<KIND> S;
  piece.slot = NONE;
  if (item >= S::ITEMS) return;
  const int lane = threadIdx.x & 31;
  int part = item % S::PIECES, row = item / S::PIECES % RANK, index = item / (S::PIECES * RANK);
  int slot = index / S::PROJECTIONS;
  const float* a = projection<KIND>(layer, index % S::PROJECTIONS)->a[slot];
  if (a == 0 || row >= p.ranks[slot]) return;
#pragma unroll
  for (int column = 0; column < COLS; column++)
    if (rows().slots[column] == slot) piece.slot = slot;
  if (piece.slot == NONE) return;
#pragma unroll
  for (int i = 0; i < PIECE / 128; i++) {
    int k = part * PIECE + i * 128 + lane * 4;
    piece.a[i] = k < S::K ? __ldg((const float4*)(a + (u64)row * S::K + k)) : make_float4(0, 0, 0, 0);
  }
}

// A x. `piece` holds the warp's first item.
template <int KIND>
__device__ __forceinline__ void lora_items(Piece& piece, const Params& p, const Layer* layer, u32 epoch) {
  typedef Shape<KIND> S;
  const int lane = threadIdx.x & 31;
  const u16* x = S::STREAMED ? p.inner : (const u16*)(shared + X_AT);
  for (int item = blockIdx.x + gridDim.x * item_rank(); item < S::ITEMS;) {
    if (piece.slot != NONE) {
      const int part = item % S::PIECES, index = item / (S::PIECES * RANK);
      const float scale = projection<KIND>(layer, index % S::PROJECTIONS)->scale[piece.slot];
      for (int column = 0; column < COLS; column++) {
        if (rows().slots[column] != piece.slot) continue;
        float sum = 0;
#pragma unroll
        for (int i = 0; i < PIECE / 128; i++) {
          int k = part * PIECE + i * 128 + lane * 4;
          if (k >= S::K) continue;
          const uint2* at = (const uint2*)(x + operand_at(k, column));
          uint2 v = S::STREAMED ? __ldcg(at) : *at;
          float4 a = piece.a[i];
          sum += a.x * from_operand<S::IS_NF4>(v.x & 0xffff) + a.y * from_operand<S::IS_NF4>(v.x >> 16) +
                 a.z * from_operand<S::IS_NF4>(v.y & 0xffff) + a.w * from_operand<S::IS_NF4>(v.y >> 16);
        }
        sum = warp_sum(sum);
        if (lane == 0) store_tagged(p.lora_parts + item * COLS + column, sum * scale, epoch);
      }
    }
    item += gridDim.x * WARPS;
    lora_load<KIND>(piece, p, layer, item);
  }
}

// Sums the pieces of A x into shared memory as they come: t[projection][rank][column]. Eight lanes share a sum.
template <int KIND>
__device__ __forceinline__ void lora_gather(const Params& p, const Layer* layer, u32 epoch) {
  typedef Shape<KIND> S;
  float* t = (float*)(shared + T_AT);
  const int part = threadIdx.x & 7;
  for (int at = threadIdx.x >> 3; at < S::PROJECTIONS * RANK * COLS; at += THREADS / 8) {
    int column = at % COLS, row = at / COLS % RANK, index = at / (COLS * RANK), slot = rows().slots[column];
    float sum = 0;
    if (slot >= 0 && row < p.ranks[slot] && projection<KIND>(layer, index)->a[slot] != 0) {
      const u64* from = p.lora_parts + (u64)((slot * S::PROJECTIONS + index) * RANK + row) * S::PIECES * COLS + column;
#pragma unroll
      for (int i = 0; i < S::PIECES; i += 8)
        if (i + part < S::PIECES) sum += await_tagged(from + (i + part) * COLS, epoch);
    }
#pragma unroll
    for (int offset = 4; offset > 0; offset >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, offset);
    if (part == 0) t[at] = sum;
  }
}

// The rows of B that this block will need, of each slot in use: the first into shared memory, the others into L2. They do
// not depend on the phase before.
#define B_ROWS 48
template <int KIND>
__device__ __forceinline__ void lora_rows(const Params& p, const Layer* layer) {
  // (two buffers: the phase before may still need its own)
  typedef Shape<KIND> S;
  const Span span = span_of<KIND>(0);
  const int tile = (span.all_first + S::UNITS - 1) / S::UNITS, last = (span.all_last + S::UNITS - 1) / S::UNITS;
  const u32 kept = shared_address(shared) + B_AT + (KIND & 1) * B_BYTES;
  int asked = NONE;
  for (int column = 0; column < COLS; column++) {
    const int slot = rows().slots[column];
    if (slot < 0 || slot == asked) continue;
    const int rank = p.ranks[slot];
    const bool keep = asked == NONE;  // the first slot in use
    asked = slot;
    for (int i = threadIdx.x; i < (last - tile) * 32 * (RANK / 4); i += THREADS) {
      const int at = i / (RANK / 4), r = i % (RANK / 4) * 4;
      int row;
      const Matrix* m = matrix_of<KIND>(layer, tile + (at >> 5), at & 31, &row);
      if (m->b[slot] == 0 || r >= rank) continue;
      const float* b = m->b[slot] + (u64)row * rank + r;
      if (keep && at < B_ROWS)
        copy16(kept + i * 16, b);
      else if (r % 32 == 0)
        asm volatile("prefetch.global.L2 [%0];" ::"l"(b));
    }
  }
}

// What the adapter adds to row `row` of a matrix, which is the block's `at`-th.
__device__ __forceinline__ float lora_sum(const Params& p, const Matrix* m, int row, int at, int kind, int index, int column) {
  const int slot = rows().slots[column];
  if (slot < 0 || m->b[slot] == 0) return 0;
  const int rank = p.ranks[slot];
  const float* t = (const float*)(shared + T_AT) + index * RANK * COLS + column;
  int first = 0;
  while (rows().slots[first] < 0) first++;
  const bool kept = at < B_ROWS && rows().slots[first] == slot;
  const float4* b = kept ? (const float4*)(shared + B_AT + (kind & 1) * B_BYTES) + at * (RANK / 4) : (const float4*)(m->b[slot] + (u64)row * rank);
  float sum = 0;
#pragma unroll 4
  for (int r = 0; r < rank; r += 4) {
    float4 v = b[r / 4];
    sum += v.x * t[r * COLS] + v.y * t[(r + 1) * COLS] + v.z * t[(r + 2) * COLS] + v.w * t[(r + 3) * COLS];
  }
  return sum;
}
#endif

// ---- attention --------------------------------------------------------------------------------------------------

// Positions a chunk: it depends on the row's own length alone, so its bits do not depend on the batch.
__device__ __forceinline__ int chunk_positions(int length) {
  int positions = BLOCK_POSITIONS;
  while (positions * MAX_CHUNKS < length) positions *= 2;
  return positions;
}

struct AttentionItem {
  int column, head, chunk, chunks, first, last, newest;
  u64 cache;  // offset of the row's keys of this head
};

// The item of this number; false beyond the last.
__device__ __forceinline__ bool find_item(AttentionItem& it, const Params& p, int item) {
  for (int column = 0; column < COLS; column++) {
    if (!rows().live[column]) continue;
    const int length = rows().lengths[column] + 1, positions = chunk_positions(length);
    it.chunks = (length + positions - 1) / positions;
    if (item < KV_HEADS * it.chunks) {
      it.column = column;
      it.head = item / it.chunks;
      it.chunk = item - it.head * it.chunks;
      it.first = it.chunk * positions;
      it.last = min(it.first + positions, length);
      it.newest = length - 1;
      it.cache = ((u64)column * KV_HEADS + it.head) * p.capacity * HEAD_DIM;
      return true;
    }
    item -= KV_HEADS * it.chunks;
  }
  return false;
}

#define CELLS (BLOCK_POSITIONS * HEAD_DIM / 8)     // of 8 values, in a block of keys
#define CELLS_EACH ((CELLS + THREADS - 1) / THREADS)
struct CacheBlock {
  uint4 keys[CELLS_EACH], values[CELLS_EACH];
};

// Older positions' keys and values, 64 at a time; they do not depend on this step.
__device__ __forceinline__ void load_block(CacheBlock& b, const Layer* layer, const AttentionItem& it, int start) {
#pragma unroll
  for (int i = 0; i < CELLS_EACH; i++) {
    const int cell = i * THREADS + threadIdx.x, position = start + cell / (HEAD_DIM / 8), d = cell % (HEAD_DIM / 8) * 8;
    b.keys[i] = b.values[i] = make_uint4(0, 0, 0, 0);
    if (cell < CELLS && position < min(it.last, it.newest)) {
      b.keys[i] = *(const uint4*)(layer->keys + it.cache + (u64)position * HEAD_DIM + d);
      b.values[i] = *(const uint4*)(layer->values + it.cache + (u64)position * HEAD_DIM + d);
    }
  }
}

__device__ __forceinline__ void attention(const Params& p, const Layer* layer, const u32* counter, u32 target) {
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, tid = threadIdx.x;
  const int PAIRS = HEAD_DIM / 2, GROUPS = THREADS / PAIRS, STEPS = (PAIRS + 31) / 32;
  float* q = (float*)(shared + X_AT);                      // [8][HEAD_DIM]
  float* scores = q + 8 * HEAD_DIM;                        // [8][64]
  float* chances = scores + 8 * BLOCK_POSITIONS;           // [64][8]
  float* state = chances + 8 * BLOCK_POSITIONS;            // maximum, sum, correction: [3][8]
  u16* fresh = (u16*)(state + 24);                         // key and value of this token
  u16* keys = fresh + 2 * HEAD_DIM;                        // [64][HEAD_DIM + 8]
  u16* values = keys + BLOCK_POSITIONS * (HEAD_DIM + 8);   // [64][HEAD_DIM]
  float* sums = (float*)keys;                              // [GROUPS][GROUP][HEAD_DIM], afterwards
  int* is_last = (int*)(shared + RED_AT);
  AttentionItem it;
  CacheBlock block;
  float cosines[STEPS], sines[STEPS];
  bool met = false;
  for (int item = blockIdx.x; find_item(it, p, item); item += gridDim.x) {
    const int column = it.column, head = it.head, chunk = it.chunk, chunks = it.chunks;
    const int first = it.first, last = it.last, newest = it.newest;
    const u64 cache = it.cache;
    load_block(block, layer, it, first);
#pragma unroll
    for (int i = 0; i < STEPS; i++) {
      int d = min(i * 32 + lane, PAIRS - 1);
      cosines[i] = __ldg(p.cosines + (u64)newest * PAIRS + d);
      sines[i] = __ldg(p.sines + (u64)newest * PAIRS + d);
    }
    if (!met) await_value(counter, target);
    met = true;
    if (tid < 8) {
      state[tid] = NEGATIVE_INFINITY;
      state[8 + tid] = 0;
    }
    if (warp < GROUP || (last == newest + 1 && warp < GROUP + 2)) {
      const int at = warp < GROUP ? (head * GROUP + warp) * HEAD_DIM
                                  : Q_ROWS + (warp - GROUP) * KV_ROWS + head * HEAD_DIM;
      const float* from = p.qkv + column * QKV_ROWS + at;
      float low[STEPS], high[STEPS];
#pragma unroll
      for (int i = 0; i < STEPS; i++) {
        int d = i * 32 + lane;
        low[i] = d < PAIRS ? __ldcg(from + d) : 0;
        high[i] = d < PAIRS ? __ldcg(from + PAIRS + d) : 0;
      }
      if (warp <= GROUP) {
#if QK_NORM
        float sum = 0;
#pragma unroll
        for (int i = 0; i < STEPS; i++) sum += low[i] * low[i] + high[i] * high[i];
        const float scale = rsqrtf(warp_sum(sum) / HEAD_DIM + EPS);
        const u16* weight = warp < GROUP ? layer->q_norm : layer->k_norm;
#pragma unroll
        for (int i = 0; i < STEPS; i++) {
          int d = min(i * 32 + lane, PAIRS - 1);
          low[i] *= scale * from_bf16(weight[d]);
          high[i] *= scale * from_bf16(weight[PAIRS + d]);
        }
#endif
#pragma unroll
        for (int i = 0; i < STEPS; i++) {
          float a = low[i] * cosines[i] - high[i] * sines[i], b = high[i] * cosines[i] + low[i] * sines[i];
          low[i] = a;
          high[i] = b;
        }
      }
      const float scale = 1.4426950408889634f * rsqrtf((float)HEAD_DIM);  // exp2 below
#pragma unroll
      for (int i = 0; i < STEPS; i++) {
        int d = i * 32 + lane;
        if (d >= PAIRS) continue;
        if (warp < GROUP) {
          q[warp * HEAD_DIM + d] = low[i] * scale;
          q[warp * HEAD_DIM + PAIRS + d] = high[i] * scale;
        } else {
          u16* to = fresh + (warp - GROUP) * HEAD_DIM;
          u16* kept = (warp == GROUP ? layer->keys : layer->values) + cache + (u64)newest * HEAD_DIM;
          to[d] = kept[d] = to_bf16(low[i]);
          to[PAIRS + d] = kept[PAIRS + d] = to_bf16(high[i]);
        }
      }
    }
    __syncthreads();
    float acc[GROUP][2] = {};
    const int group = tid / PAIRS, pair = tid - group * PAIRS;
    for (int start = first; start < last; start += BLOCK_POSITIONS) {
#pragma unroll
      for (int i = 0; i < CELLS_EACH; i++) {
        const int cell = i * THREADS + tid, row = cell / (HEAD_DIM / 8), d = cell % (HEAD_DIM / 8) * 8;
        if (cell >= CELLS) continue;
        const bool is_fresh = start + row == newest;
        *(uint4*)(keys + row * (HEAD_DIM + 8) + d) = is_fresh ? *(const uint4*)(fresh + d) : block.keys[i];
        *(uint4*)(values + row * HEAD_DIM + d) = is_fresh ? *(const uint4*)(fresh + HEAD_DIM + d) : block.values[i];
      }
      if (start + BLOCK_POSITIONS < last) load_block(block, layer, it, start + BLOCK_POSITIONS);
      __syncthreads();
      {
        const int h = warp >> 1, row = (warp & 1) * 32 + lane;
        if (h < GROUP) {
          float sum = 0;
#pragma unroll 4
          for (int d = 0; d < HEAD_DIM; d += 8) {
            uint4 k = *(const uint4*)(keys + row * (HEAD_DIM + 8) + d);
            float4 a = *(const float4*)(q + h * HEAD_DIM + d), b = *(const float4*)(q + h * HEAD_DIM + d + 4);
            sum += a.x * __uint_as_float(k.x << 16) + a.y * __uint_as_float(k.x & 0xffff0000u);
            sum += a.z * __uint_as_float(k.y << 16) + a.w * __uint_as_float(k.y & 0xffff0000u);
            sum += b.x * __uint_as_float(k.z << 16) + b.y * __uint_as_float(k.z & 0xffff0000u);
            sum += b.z * __uint_as_float(k.w << 16) + b.w * __uint_as_float(k.w & 0xffff0000u);
          }
          scores[h * BLOCK_POSITIONS + row] = start + row < last ? sum : NEGATIVE_INFINITY;
        }
      }
      __syncthreads();
      if (warp < GROUP) {
        float a = scores[warp * BLOCK_POSITIONS + lane], b = scores[warp * BLOCK_POSITIONS + 32 + lane];
        float before = state[warp], now = fmaxf(before, warp_max(fmaxf(a, b)));
        a = exp2f(a - now);
        b = exp2f(b - now);
        chances[lane * 8 + warp] = a;
        chances[(32 + lane) * 8 + warp] = b;
        float sum = warp_sum(a + b);
        __syncwarp();
        if (lane == 0) {
          float correction = exp2f(before - now);
          state[warp] = now;
          state[8 + warp] = state[8 + warp] * correction + sum;
          state[16 + warp] = correction;
        }
      }
      __syncthreads();
      if (group < GROUPS) {
#pragma unroll
        for (int h = 0; h < GROUP; h++) {
          acc[h][0] *= state[16 + h];
          acc[h][1] *= state[16 + h];
        }
#pragma unroll 4
        for (int row = group; row < BLOCK_POSITIONS; row += GROUPS) {
          u32 v = *(const u32*)(values + row * HEAD_DIM + pair * 2);
          float v0 = __uint_as_float(v << 16), v1 = __uint_as_float(v & 0xffff0000u);
          float4 low = *(const float4*)(chances + row * 8), high = *(const float4*)(chances + row * 8 + 4);
          const float of_head[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
          for (int h = 0; h < GROUP; h++) {
            acc[h][0] += of_head[h] * v0;
            acc[h][1] += of_head[h] * v1;
          }
        }
      }
      __syncthreads();
    }
    if (group < GROUPS) {
#pragma unroll
      for (int h = 0; h < GROUP; h++)
        *(float2*)(sums + (group * GROUP + h) * HEAD_DIM + pair * 2) = make_float2(acc[h][0], acc[h][1]);
    }
    __syncthreads();
    const int row = column * KV_HEADS + head;
    for (int at = tid; at < GROUP * HEAD_DIM; at += THREADS) {
      float sum = 0;
#pragma unroll
      for (int i = 0; i < GROUPS; i++) sum += sums[i * GROUP * HEAD_DIM + at];
      if (chunks == 1)
        p.mixed[operand_at(head * GROUP * HEAD_DIM + at, column)] = to_operand<NF4>(sum / state[8 + at / HEAD_DIM]);
      else
        p.chunk_sums[(u64)(row * MAX_CHUNKS + chunk) * GROUP * HEAD_DIM + at] = sum;
    }
    if (chunks > 1) {
      if (tid < GROUP) {
        p.chunk_norms[((row * MAX_CHUNKS + chunk) * GROUP + tid) * 2] = state[tid];
        p.chunk_norms[((row * MAX_CHUNKS + chunk) * GROUP + tid) * 2 + 1] = state[8 + tid];
      }
      __syncthreads();
      if (tid == HERALD * 32) {
        u32 before;
        asm volatile("atom.acq_rel.gpu.global.add.u32 %0, [%1], 1;" : "=r"(before) : "l"(p.chunk_counts + row) : "memory");
        *is_last = before == (u32)chunks - 1;
      }
      __syncthreads();
      if (*is_last) {
        for (int at = tid; at < GROUP * HEAD_DIM; at += THREADS) {
          const float* norms = p.chunk_norms + (row * MAX_CHUNKS * GROUP + at / HEAD_DIM) * 2;
          float most = NEGATIVE_INFINITY, sum = 0, total = 0;
#pragma unroll 8
          for (int i = 0; i < chunks; i++) most = fmaxf(most, __ldcg(norms + i * GROUP * 2));
#pragma unroll 8
          for (int i = 0; i < chunks; i++) {
            float2 norm = __ldcg((const float2*)(norms + i * GROUP * 2));
            float weight = exp2f(norm.x - most);
            total += weight * norm.y;
            sum += weight * __ldcg(p.chunk_sums + (u64)(row * MAX_CHUNKS + i) * GROUP * HEAD_DIM + at);
          }
          p.mixed[operand_at(head * GROUP * HEAD_DIM + at, column)] = to_operand<NF4>(sum / total);
        }
        if (tid == 0) p.chunk_counts[row] = 0;
      }
    }
    __syncthreads();
  }
  if (!met) await_value(counter, target);
}

// ---- a product with what follows it ------------------------------------------------------------------------------

struct Best {
  float score;
  int token;
};

template <int KIND>
__device__ __forceinline__ float finished(const Params& p, const Span& span, int tile, int at, bool is_split, u32 epoch) {
  typedef Shape<KIND> S;
  float value = part_sum<KIND>(span, tile, at);
  if (is_split) {
    const long long total = (long long)S::ALL_TILES * S::UNITS;
    for (int block = blockIdx.x + 1;; block++) {
      value += await_tagged(p.tails + block * TILE_VALUES + at, epoch);
      if (total * (block + 1) / gridDim.x >= (long long)(tile + 1) * S::UNITS) break;
    }
  }
  return value;
}

__device__ __forceinline__ float residual(const Params& p, int column, int n, bool embedded) {
  return embedded ? from_bf16(p.embedding[(u64)token_of(p, column) * HIDDEN + n]) : __ldcg(p.hidden + column * HIDDEN + n);
}

// before: the residual of the thread's first value.
template <int KIND>
__device__ __forceinline__ void epilogue(const Params& p, const Layer* layer, const Span& span, u32 epoch, float before,
                                         bool embedded, Best* best) {
  typedef Shape<KIND> S;
  const int first = (span.first + S::UNITS - 1) / S::UNITS;      // tiles that begin in this chunk
  const int first_tile = (span.all_first + S::UNITS - 1) / S::UNITS;
  const int count = (span.last + S::UNITS - 1) / S::UNITS - first;
  const int EACH = KIND == GATE_UP ? 16 * COLS : 32 * COLS;
  for (int i = threadIdx.x; i < count * EACH; i += THREADS) {
    const int tile = first + i / EACH, at = i % EACH, column = at % COLS, row = at / COLS;
    const bool is_split = (tile + 1) * S::UNITS > span.last;
    float value = finished<KIND>(p, span, tile, at, is_split, epoch);
    if (KIND == HEAD) {
      int n = tile * 32 + row;
      if (n < VOCAB) {
        p.logits[(u64)column * VOCAB + n] = value;
        if (value > best->score) {
          best->score = value;
          best->token = n;
        }
      }
      continue;
    }
    int n;
    const int place = (tile - first_tile) * 32 + row;  // among this block's rows
    const Matrix* m = matrix_of<KIND>(layer, tile, row, &n);
    if (m->bias != 0) value += from_bf16(m->bias[n]);
    if (KIND == QKV) {
      int index = m == &layer->q ? 0 : m == &layer->k ? 1 : 2;
#if RANK > 0
      if (p.use_lora) value += lora_sum(p, m, n, place, KIND, index, column);
#endif
      p.qkv[column * QKV_ROWS + tile * 32 + row] = value;
    } else if (KIND == GATE_UP) {
      float up = finished<KIND>(p, span, tile, at + 16 * COLS, is_split, epoch);
      if (layer->up.bias != 0) up += from_bf16(layer->up.bias[n]);
#if RANK > 0
      if (p.use_lora) {
        value += lora_sum(p, m, n, place, KIND, 0, column);
        up += lora_sum(p, &layer->up, n, place + 16, KIND, 1, column);
      }
#endif
      value = value / (1.0f + __expf(-value)) * up;
      p.inner[operand_at(n, column)] = to_operand<NF4>(value);
    } else {
#if RANK > 0
      if (p.use_lora) value += lora_sum(p, m, n, place, KIND, 0, column);
#endif
      if (i >= THREADS) before = residual(p, column, n, embedded);
      p.hidden[column * HIDDEN + n] = before + value;
    }
  }
}

// Where the counters lie: meetings and launches, each in a line of its own.
#define MEETINGS (p.counters)
#define LAUNCHES (p.counters + 64)

// What a phase can ask for before its meeting, in order of need: its share of the adapter, then its first weights.
template <int KIND, typename PieceType>
__device__ __forceinline__ void begin_phase(Stream& st, const Params& p, const Layer* layer, PieceType& piece) {
#if RANK > 0
  if (KIND != HEAD && p.use_lora) {
    if (KIND != OUT) lora_load<KIND>(piece, p, layer, blockIdx.x + gridDim.x * item_rank());
    lora_rows<KIND>(p, layer);
    commit();
  }
#endif
  begin<KIND>(st, p, layer, 0);
}

// The next phase's part of this: by the herald after it has arrived, by the others as soon as they are done.
template <int NEXT, typename PieceType>
__device__ __forceinline__ void begin_next(Stream& st, const Params& p, const Layer* next_layer, PieceType& piece,
                                           bool herald) {
  if (((threadIdx.x >> 5) == HERALD) != herald) return;
  if (NEXT == QKV && next_layer == 0)
    begin_phase<HEAD>(st, p, 0, piece);
  else if (NEXT != NONE)
    begin_phase<NEXT == NONE ? 0 : NEXT>(st, p, next_layer, piece);
}

// One phase after its operands are staged, up to where the block arrives at the meeting. Begins the stream of the next
// phase as soon as a warp has done its own part.
template <int KIND, int NEXT, typename PieceType>
__device__ __forceinline__ void product(Stream& st, const Params& p, const Layer* layer, const Layer* next_layer, u32 epoch,
                                        PieceType& piece, bool embedded, Best* best) {
  typedef Shape<KIND> S;
  float before = 0;
  if (KIND == OUT || KIND == DOWN) {
    const Span span = span_of<KIND>(0);
    const int n = (span.all_first + S::UNITS - 1) / S::UNITS * 32 + threadIdx.x / COLS;
    if (n < HIDDEN) before = residual(p, threadIdx.x % COLS, n, embedded);
  }
#if RANK > 0
  const bool lora = KIND != HEAD && p.use_lora;
  if (KIND != HEAD && lora) lora_items<KIND>(piece, p, layer, epoch);
#endif
  for (int chunk = 0;; chunk++) {
    const Span span = span_of<KIND>(chunk);
    consume<KIND>(st, p, layer, span);
    if (RANK > 0) wait_copies<S::RING>();  // the rows of B, in a warp without units
    if (span.is_last)
      begin_next<NEXT>(st, p, next_layer, piece, false);
    else
      begin<KIND>(st, p, layer, chunk + 1);
    if (chunk == 0) NOTE()
#if RANK > 0
    if (KIND != HEAD && lora && chunk == 0) lora_gather<KIND>(p, layer, epoch);
#endif
    if (chunk == 0) NOTE()
    __syncthreads();
    if (chunk == 0) NOTE()
    if (chunk == 0 && span.first % S::UNITS != 0 && threadIdx.x < TILE_VALUES)
      store_tagged(p.tails + blockIdx.x * TILE_VALUES + threadIdx.x, part_sum<KIND>(span, span.tile, threadIdx.x), epoch);
    epilogue<KIND>(p, layer, span, epoch, before, embedded, best);
    if (span.is_last) break;
    __syncthreads();
  }
}

// Copies a layer's table into shared memory, so that nobody waits for pointers to pointers.
__device__ __forceinline__ void fetch_layer(const Params& p, int at) {
  const u32* from = (const u32*)(p.layers + at);
  u32* to = (u32*)(shared + LAYERS_AT + (at & 1) * LAYER_BYTES);
  for (int i = threadIdx.x; i < sizeof(Layer) / 4; i += THREADS) to[i] = __ldg(from + i);
}
__device__ __forceinline__ const Layer* fetched(int at) {
  return (const Layer*)(shared + LAYERS_AT + (at & 1) * LAYER_BYTES);
}

__device__ __forceinline__ void prepare(const Params& p) {
  fetch_layer(p, 0);
  if (threadIdx.x < 8) {
    Rows* to = (Rows*)(shared + ROWS_AT);
    const int column = threadIdx.x;
    to->slots[column] = column < COLS ? p.slots[column] : NONE;
    to->live[column] = column < COLS ? p.live[column] : 0;
    to->lengths[column] = column < COLS ? p.lengths[column] : 0;
  }
  __syncthreads();
}
__device__ __forceinline__ void fill_tables(const Params& p) {
#if NF4
  for (int i = threadIdx.x; i < 8192; i += THREADS) pair_table[i] = p.pairs[i >> 5];
  if (threadIdx.x < 256) ((float*)(shared + CODE_AT))[threadIdx.x] = p.code[threadIdx.x];
#endif
}

#if RANK == 0
struct Piece {};
#endif

extern "C" __global__ void __launch_bounds__(THREADS, 1) decode_step(const __grid_constant__ Params p) {
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const u32 blocks = gridDim.x;
  const u32 launches = *LAUNCHES;
  u32 meet = launches * (5 * LAYERS + 1);  // meetings before this launch
  u32 epoch = launches * (4 * LAYERS + 1);
  Stream st;
  Piece piece;
#ifdef TIMED
  if (threadIdx.x == 0) noted = 0;
#endif
  prepare(p);
  begin_phase<QKV>(st, p, fetched(0), piece);
  fill_tables(p);
  Best best;
  best.score = NEGATIVE_INFINITY;
  best.token = -1;
#define LEAVE()     \
  NOTE()            \
  arrive(MEETINGS); \
  meet++
#pragma unroll 1
  for (int at = 0; at < LAYERS; at++) {
    const Layer* layer = fetched(at);
    const Layer* next = at + 1 < LAYERS ? fetched(at + 1) : 0;
    if (next != 0) fetch_layer(p, at + 1);
    epoch++;
    stage_norm<NF4>(p, layer->norm1, at == 0, MEETINGS, meet * blocks);
    NOTE()
    product<QKV, OUT>(st, p, layer, layer, epoch, piece, false, &best);
    LEAVE();
    attention(p, layer, MEETINGS, meet * blocks);
    LEAVE();
#if RANK > 0
    if (p.use_lora) lora_load<OUT>(piece, p, layer, blockIdx.x + gridDim.x * item_rank());  // its registers are free now
#endif
    begin_next<OUT>(st, p, layer, piece, true);
    epoch++;
    await_value(MEETINGS, meet * blocks);
    stage_copy<Q_ROWS>(p.mixed);
    NOTE()
    product<OUT, GATE_UP>(st, p, layer, layer, epoch, piece, at == 0, &best);
    LEAVE();
    begin_next<GATE_UP>(st, p, layer, piece, true);
    epoch++;
    stage_norm<NF4>(p, layer->norm2, false, MEETINGS, meet * blocks);
    NOTE()
    product<GATE_UP, DOWN>(st, p, layer, layer, epoch, piece, false, &best);
    LEAVE();
    begin_next<DOWN>(st, p, layer, piece, true);
    epoch++;
    await_value(MEETINGS, meet * blocks);
    if (!STREAM_DOWN) stage_copy<INNER>(p.inner);
    NOTE()
    product<DOWN, QKV>(st, p, layer, next, epoch, piece, false, &best);
    LEAVE();
    begin_next<QKV>(st, p, next, piece, true);
  }
  stage_norm<false>(p, p.final_norm, false, MEETINGS, meet * blocks);
  NOTE()
  epoch++;
  product<HEAD, NONE>(st, p, 0, 0, epoch, piece, false, &best);
  {
    // the block's best token of each column: threads of one column are COLS apart
    Best* found = (Best*)(shared + RED_AT);  // [WARPS][COLS]
#pragma unroll
    for (int offset = 16; offset >= COLS; offset >>= 1) {
      float score = __shfl_xor_sync(0xffffffffu, best.score, offset);
      int token = __shfl_xor_sync(0xffffffffu, best.token, offset);
      if (score > best.score || (score == best.score && (u32)token < (u32)best.token)) {
        best.score = score;
        best.token = token;
      }
    }
    if (lane < COLS) found[warp * COLS + lane] = best;
    __syncthreads();
    if (threadIdx.x < COLS) {
      best = found[threadIdx.x];
      for (int i = 1; i < WARPS; i++) {
        Best other = found[i * COLS + threadIdx.x];
        if (other.score > best.score || (other.score == best.score && (u32)other.token < (u32)best.token)) best = other;
      }
      p.best_scores[blockIdx.x * COLS + threadIdx.x] = best.score;
      p.best_tokens[blockIdx.x * COLS + threadIdx.x] = best.token;
    }
  }
  LEAVE();
  if (blockIdx.x != 0) return;
  await_value(MEETINGS, meet * blocks);
  NOTE()
  if (warp < COLS) {
    best.score = NEGATIVE_INFINITY;
    best.token = -1;
    for (u32 block = lane; block < blocks; block += 32) {
      float score = __ldcg(p.best_scores + block * COLS + warp);
      int token = __ldcg(p.best_tokens + block * COLS + warp);
      if (score > best.score || (score == best.score && (u32)token < (u32)best.token)) {
        best.score = score;
        best.token = token;
      }
    }
#pragma unroll
    for (int offset = 16; offset > 0; offset >>= 1) {
      float score = __shfl_xor_sync(0xffffffffu, best.score, offset);
      int token = __shfl_xor_sync(0xffffffffu, best.token, offset);
      if (score > best.score || (score == best.score && (u32)token < (u32)best.token)) {
        best.score = score;
        best.token = token;
      }
    }
    if (lane == 0 && p.live[warp]) {
      p.tokens[warp] = best.token;
      p.lengths[warp] += 1;
    }
  }
  if (threadIdx.x == 0) {
    *LAUNCHES = launches + 1;
  }
}

#ifdef PRODUCT_ONLY  // for the bench: gate and up of every layer, with their norm and the meeting after them
extern "C" __global__ void __launch_bounds__(THREADS, 1) gate_up_only(const __grid_constant__ Params p) {
  const u32 blocks = gridDim.x, launches = *LAUNCHES;
  u32 meet = launches * LAYERS, epoch = launches * LAYERS;
  Stream st;
  Piece piece;
  prepare(p);
  begin<GATE_UP>(st, p, fetched(0), 0);
  fill_tables(p);
  Best best;
#pragma unroll 1
  for (int at = 0; at < LAYERS; at++) {
    const Layer* layer = fetched(at);
    if (at + 1 < LAYERS) fetch_layer(p, at + 1);
    stage_norm<NF4>(p, layer->norm2, false, MEETINGS, meet * blocks);
    product<GATE_UP, GATE_UP>(st, p, layer, fetched(at + 1), ++epoch, piece, false, &best);
    arrive(MEETINGS);
    meet++;
    begin_next<GATE_UP>(st, p, fetched(at + 1), piece, true);
  }
  await_value(MEETINGS, meet * blocks);
  if (blockIdx.x == 0 && threadIdx.x == 0) *LAUNCHES = launches + 1;
}
#endif
