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

#define CELLS (BLOCK_POSITIONS * HEAD_DIM / 8)  // of 8 values, in a block of keys
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
  float* q = (float*)(shared + X_AT);                     // [8][HEAD_DIM]
  float* scores = q + 8 * HEAD_DIM;                       // [8][64]
  float* chances = scores + 8 * BLOCK_POSITIONS;          // [64][8]
  float* state = chances + 8 * BLOCK_POSITIONS;           // maximum, sum, correction: [3][8]
  u16* fresh = (u16*)(state + 24);                        // key and value of this token
  u16* keys = fresh + 2 * HEAD_DIM;                       // [64][HEAD_DIM + 8]
  u16* values = keys + BLOCK_POSITIONS * (HEAD_DIM + 8);  // [64][HEAD_DIM]
  float* sums = (float*)keys;                             // [GROUPS][GROUP][HEAD_DIM], afterwards
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
      const int at =
          warp < GROUP ? (head * GROUP + warp) * HEAD_DIM : Q_ROWS + (warp - GROUP) * KV_ROWS + head * HEAD_DIM;
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
        asm volatile("atom.acq_rel.gpu.global.add.u32 %0, [%1], 1;"
                     : "=r"(before)
                     : "l"(p.chunk_counts + row)
                     : "memory");
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
