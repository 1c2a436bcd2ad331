// The web UI's own runner and settings, with stand-ins for the modules of the host that the component imports.
import { fileURLToPath } from 'node:url';
import vue from '@vitejs/plugin-vue2';
import { defineConfig } from 'vitest/config';

const here = path => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  plugins: [vue()],
  resolve: {
    alias: [
      { find: /^(@\/components\/annotations\/refine|\.)\/refine-host$/, replacement: here('refine/refine-host.js') },
      { find: /^\.\/refinement$/, replacement: here('../common/refine/refinement.js') },
      { find: '@/components/annotations/refine', replacement: here('../common/refine') },
      { find: '@/', replacement: `${here('stand-in')}/` },
      { find: /^vue$/, replacement: here('node_modules/vue/dist/vue.runtime.esm.js') },
      { find: /^ol\//, replacement: here('node_modules/ol/') },
      { find: '@vue/test-utils', replacement: here('node_modules/@vue/test-utils') },
    ],
  },
  server: { fs: { allow: ['..'] } },
  // The time is for machines that do other things too.
  test: { testTimeout: 60_000, environment: 'jsdom', globals: true, include: ['../common/tests/*.test.js', 'tests/*.test.js'], root: here('.'), server: { deps: { inline: [/node_modules\/ol\//] } } },
});
