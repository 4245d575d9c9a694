/* Asks a SavedModel for an answer through TensorFlow's C API: what servers that are not written
 * in Python do. Strings in, strings out; neither Keras nor Python is here.
 *
 *   answer DIRECTORY INPUT OUTPUT TEXT [LIBRARY...]
 *
 * INPUT and OUTPUT are tensors of the signature, as "serving_default_text:0"; LIBRARY are
 * libraries of operators that are loaded first. The answer is written to standard output.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"

static void check(TF_Status *status, const char *what) {
  if (TF_GetCode(status) == TF_OK) return;
  fprintf(stderr, "%s: %s\n", what, TF_Message(status));
  exit(1);
}

/* The tensor "operation:index" of a graph. */
static TF_Output find(TF_Graph *graph, char *name) {
  char *colon = strrchr(name, ':');
  if (colon == NULL) {
    fprintf(stderr, "%s: a tensor is written operation:index\n", name);
    exit(2);
  }
  *colon = '\0';
  TF_Output output = {TF_GraphOperationByName(graph, name), atoi(colon + 1)};
  if (output.oper == NULL) {
    fprintf(stderr, "%s: there is no such operation\n", name);
    exit(1);
  }
  return output;
}

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: %s DIRECTORY INPUT OUTPUT TEXT [LIBRARY...]\n", argv[0]);
    return 2;
  }
  TF_Status *status = TF_NewStatus();
  for (int i = 5; i < argc; i++) {
    TF_LoadLibrary(argv[i], status);
    check(status, argv[i]);
  }

  TF_SessionOptions *options = TF_NewSessionOptions();
  TF_Graph *graph = TF_NewGraph();
  const char *tags[] = {"serve"};
  TF_Session *session =
      TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1, graph, NULL, status);
  check(status, argv[1]);

  const int64_t shape[] = {1};
  TF_Tensor *text = TF_AllocateTensor(TF_STRING, shape, 1, sizeof(TF_TString));
  TF_TString *string = TF_TensorData(text);
  TF_TString_Init(string);
  TF_TString_Copy(string, argv[4], strlen(argv[4]));

  TF_Output input = find(graph, argv[2]), output = find(graph, argv[3]);
  TF_Tensor *answer = NULL;
  TF_SessionRun(session, NULL, &input, &text, 1, &output, &answer, 1, NULL, 0, NULL, status);
  check(status, "run");

  const TF_TString *found = TF_TensorData(answer);
  fwrite(TF_TString_GetDataPointer(found), 1, TF_TString_GetSize(found), stdout);

  TF_DeleteTensor(answer);
  TF_TString_Dealloc(string);
  TF_DeleteTensor(text);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteGraph(graph);
  TF_DeleteSessionOptions(options);
  TF_DeleteStatus(status);
  return 0;
}
