// The web UI's own runner and settings, with stand-ins for the modules of the host that the component imports.
module.exports = {
  roots: ['<rootDir>', '<rootDir>/../common'],
  testEnvironment: 'jsdom',
  testMatch: ['**/common/tests/*.test.js'],
  testTimeout: 60000, // machines that do other things too are slow
  moduleNameMapper: {
    '^@/components/annotations/refine/refine-host$': '<rootDir>/refine/refine-host.js',
    '^\\./refine-host$': '<rootDir>/refine/refine-host.js',
    '^\\./refinement$': '<rootDir>/../common/refine/refinement.js',
    '^@/components/annotations/refine/(.*)$': '<rootDir>/../common/refine/$1',
    '^@/(.*)$': '<rootDir>/stand-in/$1'
  },
  modulePaths: ['<rootDir>/node_modules'],
  transform: {
    '^.+\\.js$': ['babel-jest', {configFile: require.resolve('./babel.config.js')}],
    '^.+\\.vue$': '@vue/vue2-jest'
  },
  globals: {'vue-jest': {babelConfig: require.resolve('./babel.config.js')}},
  transformIgnorePatterns: ['/node_modules/(?!(cytomine-client|ol)/)']
};
