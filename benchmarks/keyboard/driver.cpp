// Asks the keyboard's own language model. build.sh compiles it with the keyboard's sources.
//
//     driver MODEL.gguf < LINES
//
// A line is a text, or a text, a tab, and the letters a-z of a half typed word. The answer to a line
// is one line with tabs between: the ids of the text, then a probability and a word, for each word.

#include <algorithm>
#include <cctype>
#include <math.h>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "beam.inc"

// The keys of a half typed word, as the keyboard has them when it does not know where they were hit.
static std::vector<TokenMix> keys_of(const LanguageModelState &state, const std::string &typed) {
    std::vector<TokenMix> keys;
    for (char letter : typed) {
        TokenMix key{};
        key.x = key.y = -1.0f;
        key.mixes[0].weight = 1.0f;
        key.mixes[0].token = state.specialTokens.LETTERS_TO_IDS[letter - 'a'];
        keys.push_back(key);
    }
    return keys;
}

int main(int count, char **arguments) {
    if (count != 2) {
        std::cerr << "driver MODEL.gguf < LINES\n";
        return 2;
    }
    LanguageModelState state;
    if (!state.Initialize(arguments[1])) {
        std::cerr << "the keyboard cannot load " << arguments[1] << "\n";
        return 1;
    }
    for (std::string line; std::getline(std::cin, line);) {
        const size_t tab = line.find('\t');
        const std::string text = line.substr(0, tab);
        const std::string typed = tab == std::string::npos ? "" : line.substr(tab + 1);
        for (int id : state.model->tokenize(trim(text) + " ")) std::cout << id << ' ';
        const auto words = typed.empty()
            ? state.PredictNextWord(text, {})
            : state.PredictCorrection(
                  text, keys_of(state, typed), false, WordCapitalizeMode::IgnoredCapitals, {});
        for (const auto &word : words) std::cout << '\t' << word.first << '\t' << word.second;
        std::cout << std::endl;
    }
    return 0;
}
