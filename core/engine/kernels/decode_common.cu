// One decoding step of a decoder-only transformer in one cooperative launch: every live sequence (column) gets its next
// token. All blocks stay resident and walk through the layers together; between phases they meet at a counter in device
// memory, and while they wait, the next phase's weights are already on their way into shared memory.
//
// A phase is a product y = W x with W [N][K] row-major and up to COLS columns of x. Its work is cut into units of 32
// rows by 64 bytes (128 weights in NF4, 32 in bfloat16); every block takes an equal run of units, every warp an equal
// run of its block's. A warp streams its units through a ring of its own (cp.async) into mma.m16n8k16 with the weights
// as the 16-row operand, so 1 and 8 columns cost the same and a column's bits do not depend on its neighbours. Partial
// sums meet in shared memory, and where two blocks share a tile, in device memory; always in the same order.
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
// The warp that speaks for its block at meetings. It is the last, which has the smallest share of the units: arriving
// waits for the copies of the thread that arrives, and asking whether all are there queues behind them, so its own
// stream begins when the meeting is over.
#define HERALD (WARPS - 1)

enum Kind { QKV = 0, OUT = 1, GATE_UP = 2, DOWN = 3, HEAD = 4 };  // the products of a layer, and the last one

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
#define BOUNDS_AT (ROWS_AT + 96)
#define LAYERS_AT (ROWS_AT + 256)
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

// Of each product, this block's first and last unit and its first tile.
__device__ __forceinline__ const int (*bounds())[3] { return (const int (*)[3])(shared + BOUNDS_AT); }

#ifdef TIMED  // for the bench: block 0 notes the times of its steps
__shared__ int noted;
#define NOTE()                                                         \
  do {                                                                 \
    if (blockIdx.x == 0 && threadIdx.x == 0) {                         \
      u64 now;                                                         \
      asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now)::"memory"); \
      p.times[noted++] = now;                                          \
    }                                                                  \
  } while (0)
#else
#define NOTE() \
  do {         \
  } while (0)
#endif

// ---- small pieces -------------------------------------------------------------------------------------------------

__device__ __forceinline__ u32 shared_address(const void* pointer) { return (u32)__cvta_generic_to_shared(pointer); }

__device__ __forceinline__ void copy16(u32 to, const void* from) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}
// Zeros where the row is not `there`; nothing is read then.
__device__ __forceinline__ void copy_row(u32 to, const void* from, bool there) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(there ? 16 : 0)
               : "memory");
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
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
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

// What other blocks write in this launch is read past L1 (__ldcg, cp.async.cg) and only after the wait, so the wait
// need not empty L1, which an acquire does each time.
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
__device__ __forceinline__ u64 load_word(const u64* pointer) {
  u64 word;
  asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(word) : "l"(pointer) : "memory");
  return word;
}
__device__ __forceinline__ float await_tagged(const u64* pointer, u32 epoch) {
  u64 word;
  u32 tries = 0;
  do {
    word = load_word(pointer);
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
  if (threadIdx.x == HERALD * 32) spin(counter, target);
  __syncthreads();
}
